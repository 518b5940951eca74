"""The CAs of a trust, of the system's store and of certifi, by their names: read when a failure is explained only."""

from __future__ import annotations

import ssl

from . import _stores
from ._certificate import Certificate
from ._trust import _Context, _load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._stores import Source
    from ._trust import Trust


def of_trust(trust: Trust) -> tuple[Certificate, ...]:
    """The CAs that *trust* holds; those that OpenSSL looks for in a folder too, but not an operating system's own."""
    return _read(trust.anchors + (_stores.read_hashed(trust.folder) if trust.folder else ()))


def where_known(top: Certificate, trust: Trust | None) -> str | None:
    """``"system"`` or ``"certifi"`` where that, and not *trust*, has the CA that *top* is or names as its issuer."""
    if system_is_untried(trust):
        source = _system()
        if source is not None and _has(source, top):
            return "system"
    source = _certifi()
    if source is not None and not _covers(trust, source) and _has(source, top):
        return "certifi"
    return None


def system_is_untried(trust: Trust | None) -> bool:
    """Whether the operating system's store might trust what *trust* does not."""
    if trust is not None and trust.native:
        return False
    source = _system()
    return source is not None and (source.native or not _covers(trust, source))


def _covers(trust: Trust | None, source: Source) -> bool:
    return trust is not None and frozenset(source.bundle.certificates) <= frozenset(trust.anchors)


def _has(source: Source, top: Certificate) -> bool:
    if top.der in source.bundle.certificates:
        return True
    # The same name may have another key: what calls itself a root is known by all its bytes alone.
    return not top.self_issued and any(map(top.names_as_issuer, _read(source.bundle.certificates)))


def _system() -> Source | None:
    return _quietly(_stores._system)


def _certifi() -> Source | None:
    return _quietly(_stores._from_certifi)


def _quietly(find: Callable[[], Source | None]) -> Source | None:
    try:
        return find()
    except (OSError, ValueError, ImportError):  # it is not to be had here, which is not what is being explained
        return None


def _read(certificates: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """What OpenSSL takes for CAs among *certificates*, which CPython can name."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, certificates)
    named, raw = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
    return tuple(Certificate(der, info) for der, info in zip(raw, named, strict=True))
