"""What a block exports, as tests look at it; the two fixtures take effect in each file that imports them."""

import os
import ssl
import tempfile

import material
import pytest

from trusted_context.sources import environment

VARIABLES = tuple(environment.VARIABLES)
FILES = tuple(name for name in VARIABLES if name != "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def environment_is_as_it_was(monkeypatch):
    """The promise about the environment, which conftest.py leaves to these tests."""
    before = _all_but_pytest_s()
    yield
    monkeypatch.undo()
    assert _all_but_pytest_s() == before
    assert not environment.exporting()


def _all_but_pytest_s():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(autouse=True)
def temporary_folder(monkeypatch, tmp_path):
    """The folder for temporary files, where nothing but what these tests export is written."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))


def written():
    """The files that were written to be exported, each in a folder of its user's."""
    own = [os.path.join(tempfile.tempdir, name) for name in os.listdir(tempfile.tempdir)]
    return sorted(os.path.join(inner, name) for inner in own for name in os.listdir(inner))


def variables(environment=os.environ):
    """The variables that can be exported, as they are set."""
    return {name: environment[name] for name in VARIABLES if name in environment}


def naming(path):
    """The variables as they are while the file at *path* is exported."""
    return dict.fromkeys(FILES, str(path))


def ders(path):
    """The certificates that OpenSSL finds in the file at *path*, in DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    return set(context.get_ca_certs(binary_form=True))


def to_der(ca):
    return material.to_der(ca.cert_pem.bytes())
