"""The reader of CA material: what is read is what OpenSSL takes, and no message repeats any of it."""

from __future__ import annotations

import contextlib
import ssl
import sys

import bundle_rules
from hostile import MARK, assert_hidden, assert_linear, place

from trusted_context import BundleError
from trusted_context.core.contexts import Context
from trusted_context.core.loading import stats
from trusted_context.sources import bundles, pem, resolution


def check(content: bytes) -> None:
    """Read *content* as bytes, as text, and as what a block is to trust."""
    bundle_rules.check(content)
    text = content.decode("latin-1")
    assert isinstance(bundles.is_text(text), bool)
    assert_hidden(_said(content[: place(content)] + MARK.encode() + content[place(content) :]))
    _trust(content)
    assert_linear(_said, content)


def _said(content: bytes) -> list[str]:
    """All that is said of *content*."""
    pem.is_plain(content)
    try:
        return list(bundles.read([content]).skipped)
    except BundleError as error:
        return [str(error)]


def _trust(content: bytes) -> None:
    """A block enters with what OpenSSL reads of the certificates, all of it and nothing else, or not at all."""
    with contextlib.suppress(BundleError):
        resolved = resolution.resolve((content,), system=None, insecure=False, strict=False)
        anchors = resolved.trust.anchors
        taken = [der for number, der in enumerate(anchors) if number not in resolved.verifier.refused]
        assert taken, "a block that trusts nothing"
        alone = [der for der in anchors if _loads(der)]
        if sys.version_info < (3, 12):  # which refuses a broken certificate beside another of the same name
            alone = [der for der in alone if der in taken or _is_ca(der)]
        assert taken == alone, "OpenSSL takes others than the block"
        assert all(map(str.isprintable, resolved.problems()))


def _loads(der: bytes) -> bool:
    return _load(der) is not None


def _is_ca(der: bytes) -> bool:
    context = _load(der)
    return context is not None and stats(context)["x509_ca"] == 1


def _load(der: bytes) -> Context | None:
    for _ in range(2):  # Python 3.11 may raise at first what an earlier call left behind
        with contextlib.suppress(ssl.SSLError):
            context = Context(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=der)
            return context
    return None
