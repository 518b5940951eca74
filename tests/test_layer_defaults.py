"""Which CAs are a default's: by what a context shows, whatever it was read from, and as the files are by then."""

import os
import pathlib
import re
import ssl

import certifi
import material
import pytest
from by_hand import get
from servers import BODY, fails

from trusted_context import trusted_context
from trusted_context.sources import defaults


@pytest.fixture
def port(server):
    return server.server_port


def test_a_server_s_certificate_beside_the_default_cas_is_a_choice(port, ca_file, other_ca, tmp_path):
    """Such a certificate shows in no list of CAs, but it counts."""
    leaf = tmp_path / "leaf.pem"
    other_ca.issue_cert("elsewhere.test").cert_chain_pems[0].write_to_path(leaf)
    context = ssl.create_default_context()
    context.load_verify_locations(leaf)
    with trusted_context(ca_file):
        fails(get, port, context)


def test_a_revocation_list_beside_the_default_cas_is_a_choice(port, ca_file, tmp_path):
    """Who loads a list does not want the server to be verified without it."""
    revoked = tmp_path / "revoked.pem"
    revoked.write_bytes(material.revocation_list(material.make_ca("Revoking CA")))
    context = ssl.create_default_context()
    context.load_verify_locations(revoked)
    with trusted_context(ca_file):
        fails(get, port, context)


def _certificates_of_certifi():
    return ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True)


def test_a_part_of_a_default_is_a_choice(port, ca_file):
    """Some of certifi's CAs are all that such a context was made to trust."""
    context = ssl.create_default_context(cadata=b"".join(_certificates_of_certifi()[:2]))
    with trusted_context(ca_file):
        fails(get, port, context)


_NAMING_FILES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")


@pytest.mark.parametrize("name", _NAMING_FILES)
def test_cas_of_a_file_that_a_variable_names_are_a_default(name, port, ca_file, other_file, monkeypatch):
    """Every variable that Python's clients read; when the file changes, so does the default."""
    monkeypatch.setenv(name, str(other_file))
    for content in (other_file.read_bytes(), ca_file.read_bytes() + other_file.read_bytes()):
        other_file.write_bytes(content)
        context = ssl.create_default_context(cafile=str(other_file))
        with trusted_context(ca_file):
            assert get(port, context) == BODY
        with trusted_context(certifi.where()):
            fails(get, port, context)


def test_cas_of_each_folder_that_a_variable_names_are_a_default(port, ca_file, other_file, tmp_path, monkeypatch):
    """SSL_CERT_DIR names several; a file in one that is no certificate, and one that OpenSSL refuses, do no harm."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    (folders[1] / material.hashed_name(other_file)).write_bytes(other_file.read_bytes())
    broken = material.to_pem(material._zeroed(material.to_der(other_file.read_bytes())))
    (folders[1] / "00000000.0").write_bytes(broken)
    (folders[1] / "00000001.0").write_bytes(b"no certificate")
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(map(str, folders)))
    context = ssl.create_default_context(cafile=str(other_file))
    with trusted_context(ca_file):
        assert get(port, context) == BODY


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_variable_that_names_nothing_usable_takes_no_default_away(content, port, ca_file, tmp_path, monkeypatch):
    """A missing or broken bundle is no default, and all others still are."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    context = ssl.create_default_context(cafile=certifi.where())
    with trusted_context(ca_file):
        assert get(port, context) == BODY


def test_a_path_is_a_default_however_it_is_written(tmp_path, monkeypatch, other_file):
    """As text, bytes or a path object, by way of a link, and with the user's home as ~; anything else is none."""
    where = certifi.where()
    link = tmp_path / "link.pem"
    link.symlink_to(where)
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in (where, os.fsencode(where), pathlib.Path(where), str(link), "~/link.pem"):
        assert defaults.is_default_path(written)
    for written in (None, 3, True, str(other_file), tmp_path):
        assert not defaults.is_default_path(written)
    monkeypatch.setenv("CURL_CA_BUNDLE", "~/other.pem")
    assert defaults.is_default_path(str(tmp_path / "other.pem"))


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_a_folder_that_a_variable_names_is_a_default(  # noqa: PLR0913, PLR0917  # fixtures
    moment, port, ca_file, other_file, tmp_path, monkeypatch
):
    """Such a context shows no CA until a server asks for one; another folder is a choice."""
    folders = [tmp_path / "named", tmp_path / "chosen"]
    for folder, file in zip(folders, (other_file, ca_file), strict=True):
        folder.mkdir()
        (folder / material.hashed_name(file)).write_bytes(file.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folders[0]))
    before = [ssl.create_default_context(capath=folder) for folder in folders]
    with trusted_context(ca_file):
        named, chosen = before if moment == "before" else [ssl.create_default_context(capath=one) for one in folders]
        assert get(port, named) == get(port, chosen) == BODY
    with trusted_context(other_file):
        assert get(port, chosen) == BODY
        fails(get, port, named)


@pytest.mark.parametrize("paths", [{"capath": 123}, {"capath": object}, {"cafile": 1.5}, {}], ids=str)
def test_what_is_no_path_is_refused_in_a_block_as_outside(paths, ca_file):
    """By Python's own error."""
    context = ssl.create_default_context()
    with pytest.raises(Exception) as outside:  # whatever it is, it is the same inside
        context.load_verify_locations(**paths)
    with trusted_context(ca_file), pytest.raises(type(outside.value), match=re.escape(str(outside.value))):
        context.load_verify_locations(**paths)


def test_a_folder_of_a_variable_is_a_default_also_where_one_of_its_cas_was_used(
    port, ca_file, other_file, tmp_path, monkeypatch
):
    """A connection before the block has made the context show one of two CAs."""
    for file in (ca_file, other_file):
        (tmp_path / material.hashed_name(file)).write_bytes(file.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = ssl.create_default_context(capath=tmp_path)
    assert get(port, context) == BODY
    assert len(context.get_ca_certs()) == 1
    with trusted_context(other_file):
        fails(get, port, context)
