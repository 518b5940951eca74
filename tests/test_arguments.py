import copy
import os
import pickle
import re
import ssl

import material
import pytest
from servers import BODY, Server, fetch, serving, verify_failure

from trusted_context import InsecureWarning, trusted_context


def shown(value):
    """A test's name for *value*, the same in every process."""
    return repr(value).partition(" at 0x")[0]


COPIES = {
    "pickle": lambda block: pickle.loads(pickle.dumps(block)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def is_verified(block, host):
    """Whether the context for *host* verifies; it is one or the other in all its settings."""
    context = block.ssl_context(host)
    assert context.check_hostname == (context.verify_mode == ssl.CERT_REQUIRED)
    assert context.verify_mode in {ssl.CERT_REQUIRED, ssl.CERT_NONE}
    return context.check_hostname


# What turns verification off


@pytest.mark.parametrize(
    "insecure",
    ["false", "host", "", 1, 0, 1.0, None, b"x", b"", bytearray(b"x"), {"a": 1}, {}, object(), iter(["a"])],
    ids=shown,
)
def test_only_a_bool_or_hosts_make_a_block_insecure(insecure):
    """Whatever is true or false in some other way is a TypeError when the block is made, naming the argument."""
    with pytest.raises(TypeError, match="insecure takes True, False, or a collection of hosts"):
        trusted_context(insecure=insecure)


@pytest.mark.parametrize("hosts", [["a", 1], [b"a"], {None}, ("a", ["b"]), [True], range(2)], ids=shown)
def test_hosts_are_text(hosts):
    """A host that is no text is a TypeError that names its type, and not what may be a secret."""
    with pytest.raises(TypeError, match="one of the hosts is ") as caught:
        trusted_context(insecure=hosts)
    named = str(caught.value).rpartition(" is ")[2]
    assert named in [repr(host) if host is None or isinstance(host, bool) else type(host).__name__ for host in hosts]


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("https://corp.test", "'https://corp.test'"),
        ("corp.test/path", "'corp.test/***'"),
        ("corp.test/user@", "<15 characters>"),
        ("*", "'*'"),
        ("*.corp.test", "'*.corp.test'"),
        ("", "''"),
        (" ", "' '"),
        (".", "'.'"),
        ("..", "'..'"),
        ("corp.test ", "'corp.test '"),
        ("corp\x00.test", "<10 characters>"),
        ("corp.test:", "'corp.test:'"),
        ("corp.test:0", "'corp.test:0'"),
        ("corp.test:70000", "'corp.test:70000'"),
        ("corp.test:65536", "'corp.test:65536'"),
        ("corp.test:-1", "<12 characters>"),
        ("corp.test:https", "<15 characters>"),
        ("corp.test:4\u06643", "<13 characters>"),
        ("corp.test:443:443", "<17 characters>"),
        (":443", "<4 characters>"),
        ("[]", "'[]'"),
        ("[]:443", "<6 characters>"),
        ("[::1", "'[::1'"),
        ("[::1]:", "'[::1]:'"),
        ("[::1]443", "<8 characters>"),
        ("[::1]:x", "<7 characters>"),
        ("::1%", "<4 characters>"),
        ("1.1.1.1,2.2.2.2", "<15 characters>"),
        ("a" * 64, "<64 characters>"),
        ("a." * 130, "<260 characters>"),
    ],
    ids=ascii,
)
def test_what_is_no_host_is_refused(host, shown):
    """A URL, a pattern, nothing, a list in one text or an impossible port is a ValueError; it is named where it can
    hold no password, else by its length.
    """
    with pytest.raises(ValueError) as caught:
        trusted_context(insecure={"corp.test", host})
    assert str(caught.value).startswith(f"{shown} ")


def test_a_name_that_is_two_hosts_is_refused():
    """IDNA 2003 and 2008 read a sharp s differently, so that urllib and requests would ask two different hosts."""
    with pytest.raises(ValueError, match="one host for urllib and another for requests"):
        trusted_context(insecure={"stra\u00dfe.test"})


@pytest.mark.parametrize("url", ["https://corp.test", "https://corp.test:8443/data", "http://[::1]/"])
def test_a_url_is_called_one(url):
    """Who gives a URL as the host is told to give the host."""
    with pytest.raises(ValueError, match="not a URL"):
        trusted_context(insecure=[url])


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("Corp.TEST", "corp.test"),
        ("corp.test", "CORP.test"),
        ("corp.test.", "corp.test"),
        ("corp.test", "corp.test."),
        ("corp.test", "corp.test:8443"),
        ("corp.test.:8443", "corp.test:8443"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("xn--bcher-kva.test", "BÜCHER.test:443"),
        ("::1", "[::1]"),
        ("[::1]", "0:0:0:0:0:0:0:1"),
        ("[0::1]:8443", "[::1]:8443"),
        ("FE80::A", "fe80::a"),
        ("127.0.0.1", "127.0.0.1:443"),
    ],
)
def test_a_host_is_known_in_each_of_its_forms(ca_file, named, asked):
    """Case, a final dot, IDNA and the ways to write an IPv6 address do not make another host."""
    assert not is_verified(trusted_context(ca_file, insecure=[named]), asked)


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("corp.test", None),
        ("corp.test", "www.corp.test"),
        ("corp.test", "test"),
        ("corp.test", "notcorp.test"),
        ("corp.test", "corp.test.evil.test"),
        ("corp.test:8443", "corp.test"),
        ("corp.test:8443", "corp.test:443"),
        ("[::1]:8443", "::1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "127.0.0.11"),
    ],
)
def test_any_other_host_stays_verified(ca_file, named, asked):
    """Only the exact host, and port where one is named, is left unverified."""
    assert is_verified(trusted_context(ca_file, insecure=[named]), asked)


@pytest.mark.parametrize("collect", [list, tuple, set, frozenset, lambda hosts: dict.fromkeys(hosts).keys()])
def test_hosts_may_be_in_any_collection(ca_file, collect):
    """A list, a tuple, a set or the keys of a dictionary holds hosts."""
    block = trusted_context(ca_file, insecure=collect(["corp.test"]))
    assert not is_verified(block, "corp.test")
    assert is_verified(block, "other.test")


@pytest.mark.parametrize("insecure", [False, [], (), set()], ids=shown)
def test_no_host_is_a_verifying_block(ca_file, insecure):
    """False and an empty collection verify every host."""
    block = trusted_context(ca_file, insecure=insecure)
    assert is_verified(block, "corp.test")
    assert "every host is verified" in block.describe()


def test_true_is_every_host():
    """insecure=True verifies no host, and describe() says so."""
    block = trusted_context(insecure=True)
    assert not is_verified(block, None)
    assert not is_verified(block, "corp.test:443")
    assert block.describe().startswith("insecure=True: verification is off for every host")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"cafile": "corp.pem"}, "cafile"),
        ({"cafile": []}, "cafile"),
        ({"system": True}, "system=True"),
        ({"strict": True}, "strict=True"),
        ({"cafile": "corp.pem", "system": True}, "cafile and system=True"),
    ],
)
def test_a_contradiction_is_refused(arguments, named):
    """insecure=True beside something to verify by is a ValueError that names both and the way out."""
    with pytest.raises(ValueError, match=f"insecure=True verifies nothing, so {named} .*leave one out"):
        trusted_context(insecure=True, **arguments)


def test_what_does_not_contradict(ca_file):
    """One insecure host goes with cafile, system and strict; insecure=True goes with system=False and local."""
    trusted_context(ca_file, system=True, strict=True, local=True, insecure={"corp.test"})
    trusted_context(insecure=True, system=False, local=True)


# The other arguments


@pytest.mark.parametrize("cafile", [1, 1.0, True, object(), {"a": 1}, {}, ssl], ids=shown)
def test_cafile_of_a_wrong_type(cafile):
    """What cannot be CA material is a TypeError when the block is made, and says what can."""
    with pytest.raises(TypeError, match="cafile takes a path, PEM text, bytes, or an iterable of them, not "):
        trusted_context(cafile)


@pytest.mark.parametrize("pieces", [[1], ["corp.pem", None], (["corp.pem"],), {1.5}, [{"a": 1}], range(1)], ids=shown)
def test_a_piece_of_cafile_of_a_wrong_type(pieces):
    """A wrong type within an iterable is a TypeError too."""
    with pytest.raises(TypeError, match=r"cafile takes a path, PEM text, bytes, .*; one of them is "):
        trusted_context(pieces)


@pytest.mark.parametrize("name", ["system", "strict", "local", "export"])
@pytest.mark.parametrize("value", ["false", "True", 1, 0, [], b"", object()], ids=shown)
def test_switches_are_bools(name, value):
    """Nothing but a bool is a switch, so that "false" never counts as true."""
    with pytest.raises(TypeError, match=f"{name} takes True or False, not "):
        trusted_context(**{name: value})


def test_a_function_with_arguments_beside_is_not_decorated():
    """A function in cafile's place is decorated only where nothing else was asked for: no argument is dropped."""
    with pytest.raises(TypeError):
        trusted_context(fetch, local=True)


# Copies, and what is shown


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("live", [False, True])
def test_a_copy_is_a_block_of_its_own(server, ca_file, duplicate, live):
    """A copy trusts the same, live or not, and is entered and left without the original."""
    original = trusted_context(
        iter([ca_file, ca_file.read_bytes()]), insecure={"corp.test:8443"}, strict=True, local=True
    )
    before = repr(original)
    if live:
        with pytest.warns(InsecureWarning):
            original.start()
    try:
        made = duplicate(original)
        assert repr(made) == before
        with pytest.warns(InsecureWarning, match="corp.test:8443"):
            made.start()
        assert fetch(server.url) == BODY
        made.stop()
        assert repr(original).endswith(" live>") == live
    finally:
        original.stop()
    assert not is_verified(made, "corp.test:8443")
    assert is_verified(made, "corp.test")


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_a_copy_keeps_whether_it_verifies(duplicate, ca_file):
    """A copy of an insecure block is insecure, and of a verifying one verifies."""
    assert not is_verified(duplicate(trusted_context(insecure=True)), None)
    assert is_verified(duplicate(trusted_context(ca_file)), None)


@pytest.mark.parametrize("form", [bytes, bytes.decode, bytearray, lambda pem: [pem, pem.decode()]])
def test_no_content_is_shown(ca, form):
    """The repr and the description of a block name its material and never quote it."""
    pem = ca.cert_pem.bytes()
    block = trusted_context(form(pem))
    for text in (repr(block), block.describe()):
        assert not any(line in text for line in pem.decode().splitlines()[1:-1])
        assert "bytes>" in text or "<PEM text>" in text


def test_the_repr_says_what_a_block_is(ca_file):
    """The repr gives the arguments and whether the block is live."""
    block = trusted_context(ca_file, system=True, strict=True, insecure=["corp.test:8443"])
    for part in (str(ca_file), "system=True", "strict=True", "corp.test:8443"):
        assert part in repr(block)
    assert " live" not in repr(block)
    with pytest.warns(InsecureWarning, match="corp.test:8443"), block:
        assert repr(block).endswith(" live>")


# strict, and the contexts


FAULTS = [({"key_usage": False}, {}, 92), ({"critical": False}, {}, 89), ({}, {"authority_key": False}, 85)]


@pytest.mark.parametrize(("ca", "server", "code"), FAULTS)
def test_what_fails_strictness_works_by_default(ca, server, code):
    """A CA or certificate that RFC 5280 faults is trusted by default and fails with strict=True."""
    issuer = material.make_ca("Lax", **ca)
    with serving(Server(material.make_server(issuer, **server))) as running:
        material.assert_trusted(running.url, issuer.pem)
        with trusted_context(issuer.pem, strict=True), pytest.raises(OSError) as caught:
            fetch(running.url)
    assert verify_failure(caught.value).verify_code == code


def test_strict_is_passed_by_a_proper_chain():
    """strict=True trusts what follows RFC 5280."""
    issuer = material.make_ca("Proper")
    with serving(Server(material.make_server(issuer))) as running, trusted_context(issuer.pem, strict=True):
        assert fetch(running.url) == BODY


def settings(context):
    """All that a context was set to."""
    names = "check_hostname", "verify_mode", "options", "minimum_version", "maximum_version", "post_handshake_auth"
    names += "hostname_checks_common_name", "security_level", "keylog_filename", "protocol"
    return {name: getattr(context, name) for name in names} | {"ciphers": [c["name"] for c in context.get_ciphers()]}


def test_strict_alters_one_flag_alone(ca_file):
    """strict=True adds VERIFY_X509_STRICT and changes nothing else, and describe() states the flags in force."""
    lax, strict = trusted_context(ca_file), trusted_context(ca_file, strict=True)
    one, other = lax.ssl_context(), strict.ssl_context()
    assert one.verify_flags ^ other.verify_flags == ssl.VERIFY_X509_STRICT
    assert settings(one) == settings(other)
    for block, context in ((lax, one), (strict, other)):
        stated = re.findall("VERIFY_X509_[A-Z_]+", block.describe())
        assert sorted(stated) == sorted(flag.name for flag in context.verify_flags)


def test_each_context_is_new_and_private(server, ca_file):
    """ssl_context() gives another context at each call, and what is done to one is seen nowhere else."""
    block = trusted_context(ca_file)
    with block:
        contexts = [block.ssl_context() for _ in range(3)]
        for context in contexts:
            assert isinstance(context, ssl.SSLContext)
            assert is_verified(block, None)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert len({*map(id, contexts), id(block.ssl_context())}) == 4
        assert fetch(server.url) == BODY
    material.assert_refused(server.url, material.make_ca("Stranger").pem)


def test_a_context_serves_without_the_block(server, ca_file, other_file):
    """A context verifies as its block does where the block is not live, and within another."""
    context = trusted_context(ca_file).ssl_context()
    assert fetch(server.url, context=context) == BODY
    with pytest.raises(OSError) as caught:
        fetch(server.url, context=trusted_context(other_file).ssl_context())
    assert verify_failure(caught.value)
    with trusted_context(other_file):
        assert fetch(server.url, context=context) == BODY


@pytest.mark.parametrize("insecure", [False, True])
def test_every_context_speaks_tls_1_2_or_newer(ca_file, insecure):
    """Older TLS stays off, also for hosts that are not verified."""
    block = trusted_context(None if insecure else ca_file, insecure=insecure)
    assert block.ssl_context().minimum_version >= ssl.TLSVersion.TLSv1_2

    def only_old(context):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")

    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old = Server(material.make_server(), configure=only_old)
    context = block.ssl_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # or OpenSSL would refuse the old versions by itself
    with serving(old), pytest.raises(OSError, match="ALERT_PROTOCOL_VERSION"):
        fetch(old.url, context=context)


def test_a_context_for_what_is_no_host():
    """ssl_context() refuses a URL as the host, and says what it was given."""
    with pytest.raises(ValueError, match=r"https://corp\.test"):
        trusted_context(insecure=True).ssl_context("https://corp.test")


# No error turns verification off


@pytest.mark.parametrize("when", ["at entry", "at the connection"])
def test_an_error_in_building_a_context_connects_to_nobody(server, ca_file, monkeypatch, when):
    """Where a context cannot be built, nothing is connected: not unverified, and not by another trust."""

    def fails(*_arguments, **_settings):
        raise OSError("out of memory")

    block = trusted_context([ca_file, material.make_ca("Fresh").pem])  # such as no test before has entered
    if when == "at entry":
        monkeypatch.setattr("trusted_context.core.contexts.Verifier._finish", fails)
        with pytest.raises(OSError, match="out of memory"):
            block.start()
    else:
        with block:
            monkeypatch.setattr("trusted_context.core.contexts.Verifier.borrowing", fails)
            monkeypatch.setattr("trusted_context.core.contexts.Verifier.stand_in", fails)
            with pytest.raises(OSError, match="out of memory"):
                fetch(server.url)
    assert server.requests == []


def test_a_key_log_that_cannot_be_written_is_told_at_entry(ca_file, tmp_path, monkeypatch):
    """SSLKEYLOGFILE is honoured as by the standard library, and fails before the first connection."""
    monkeypatch.setenv("SSLKEYLOGFILE", os.path.join(tmp_path, "gone", "keys"))
    with pytest.raises(FileNotFoundError, match="environment variable SSLKEYLOGFILE"):
        trusted_context(material.make_ca("Fresh").pem).start()
