"""The arguments of a block: what each takes and refuses, and that copies of a block keep them."""

import copy
import pickle
import ssl

import pytest
from servers import BODY, fetch

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
