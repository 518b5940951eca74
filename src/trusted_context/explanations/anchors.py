"""The CAs of a trust, of the system's store and of certifi, by their names: read when a failure is explained only."""

from __future__ import annotations

import functools
import ssl

from ..core.certificate import Certificate
from ..core.trust import _Context, _load
from ..sources import stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.trust import Trust
    from ..sources.stores import Source


def of_trust(trust: Trust) -> tuple[Certificate, ...]:
    """The CAs that *trust* holds; those that OpenSSL looks for in a folder too, but not an operating system's own."""
    return _read(_with_folder(trust.anchors, trust.folder))


def where_known(top: Certificate, trust: Trust | None) -> str | None:
    """``"system"`` or ``"certifi"`` where that, and not *trust*, has the CA that *top* is or names as its issuer."""
    for name, source in (("system", _system(trust)), ("certifi", _quietly(stores._from_certifi))):
        if source is not None and not source.native and _has(_all_of(source), trust, top):
            return name
    return None


def system_may_know(trust: Trust | None) -> bool:
    """Whether there is an operating system's store, not in *trust*, that cannot be looked into."""
    source = _system(trust)
    return source is not None and source.native


def _system(trust: Trust | None) -> Source | None:
    return None if trust is not None and trust.native else _quietly(stores._system)


def _all_of(source: Source) -> tuple[bytes, ...]:
    return _with_folder(source.bundle.certificates, source.folder)


def _with_folder(certificates: tuple[bytes, ...], folder: str | None) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(certificates + stores.read_hashed(folder))) if folder else certificates


def _has(certificates: tuple[bytes, ...], trust: Trust | None, top: Certificate) -> bool:
    if trust is not None and frozenset(certificates) <= frozenset(trust.anchors):
        return False
    if top.der in certificates:
        return True
    # The same name may have another key: what calls itself a root is known by all its bytes alone.
    return not top.self_issued and any(map(top.names_as_issuer, _read(certificates)))


def _quietly(find: Callable[[], Source | None]) -> Source | None:
    try:
        return find()
    except (OSError, ValueError, ImportError):  # it is not to be had here, which is not what is being explained
        return None


@functools.lru_cache(maxsize=4)
def _read(certificates: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """What OpenSSL takes for CAs among *certificates*, which CPython can name."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, certificates)
    named, raw = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
    return tuple(Certificate(der, info) for der, info in zip(raw, named, strict=True))
