"""A trust as a plain value: what makes two of them one, what it verifies, and its way to another process."""

import pickle
import ssl
import subprocess
import sys

import pytest

from trusted_context.core import loading
from trusted_context.core.trust import Trust

_PARTS = {
    "anchors": (b"one", b"two"),
    "folder": "certs",
    "native": True,
    "insecure": frozenset({("a.test", None), ("b.test", 443)}),
    "strict": True,
    "key_log": "keys.log",
}


def test_what_openssl_cannot_load_at_once_is_its_own_error():
    """As where there is no memory for it: nothing is left out in silence."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError):
        loading.load_readable(context, [b"no certificate"])


@pytest.mark.parametrize("part", _PARTS)
def test_trusts_are_equal_where_every_part_is(part):
    """The pools and the caches of a block are found by its trust: none may be taken for one that differs in a part."""
    one, same, other = Trust(**_PARTS), Trust(**_PARTS), Trust(**{**_PARTS, part: getattr(Trust(), part)})
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert {one, same, other} == {one, other}


def test_a_trust_is_equal_to_itself_and_to_nothing_of_another_kind():
    """Nor to the tuple of its parts."""
    trust = Trust(**_PARTS)
    assert trust.__eq__(trust) is True
    assert trust != tuple(_PARTS.values())
    assert trust != None  # noqa: E711  # that is the question


def test_a_trust_of_nothing_said_verifies_and_asks_for_no_strictness():
    """What is off, native or strict was said to be."""
    trust = Trust()
    assert trust.verifies("a.test", 443) is True
    assert trust.native is False
    assert not trust.flags & ssl.VERIFY_X509_STRICT
    assert Trust(strict=True).flags & ssl.VERIFY_X509_STRICT


@pytest.mark.parametrize(
    ("host", "port", "verified"),
    [
        ("a.test", 443, False),
        ("A.TEST.", None, False),
        ("b.test", 443, False),
        ("b.test", 8443, True),
        ("b.test", None, True),
        ("c.test", 443, True),
        (None, None, True),
        (None, 443, True),
    ],
)
def test_what_is_not_verified_is_the_very_host_and_port(host, port, verified):
    """A host without a port is meant at each; one that nobody knows the name of is verified."""
    assert Trust(**_PARTS).verifies(host, port) is verified


@pytest.mark.parametrize(("insecure", "verified"), [(True, False), (False, True), (frozenset(), True)])
def test_all_or_nothing_is_verified_whatever_the_host(insecure, verified):
    """Also where the host is not known."""
    assert [Trust(insecure=insecure).verifies(host, 443) for host in ("a.test", None)] == [verified] * 2


def test_a_trust_is_the_same_value_in_another_process(tmp_path):
    """Its hash is another there, since Python's of bytes is."""
    program = (
        "import pickle, sys; trust, parts = pickle.load(open(sys.argv[1], 'rb')); "
        "made = type(trust)(**parts); assert trust == made and hash(trust) == hash(made)"
    )
    file = tmp_path / "trust"
    file.write_bytes(pickle.dumps((Trust(**_PARTS), _PARTS)))
    subprocess.run([sys.executable, "-c", program, file], check=True, timeout=60)
