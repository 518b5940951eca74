"""The CAs of a trust, of the system's store and of certifi, by their names. They are read only to explain a failure."""

from __future__ import annotations

import functools
import os
import ssl
import time

from ..core.certificate import Certificate
from ..core.contexts import Context
from ..core.loading import authorities, load
from ..sources import stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.trust import Trust
    from ..sources.stores import Source


def of_trust(trust: Trust) -> tuple[Certificate, ...]:
    """The CAs that *trust* holds; those that OpenSSL looks for in a folder too, but not an operating system's own."""
    return read(_with_folder(trust.anchors, trust.folder))


def where_known(top: Certificate, trust: Trust | None) -> str | None:
    """``"system"`` or ``"certifi"`` where that, and not *trust*, has the CA that *top* is or names as its issuer."""
    for name, source in (("system", _system(trust)), ("certifi", _quietly(stores.certifi_store))):
        if source is not None and not source.native and _has(_all_of(source), trust, top):
            return name
    return None


def system_may_know(trust: Trust | None) -> bool:
    """Whether there is an operating system's store, not in *trust*, that cannot be looked into."""
    source = _system(trust)
    return source is not None and source.native


def _system(trust: Trust | None) -> Source | None:
    return None if trust is not None and trust.native else _quietly(stores.system_store)


def _all_of(source: Source) -> tuple[bytes, ...]:
    return _with_folder(source.bundle.certificates, source.folder)


def _with_folder(certificates: tuple[bytes, ...], folder: str | None) -> tuple[bytes, ...]:
    if not folder:
        return certificates
    try:
        found = os.stat(folder)
    except OSError:  # it was removed since
        return certificates
    version = found.st_dev, found.st_ino, found.st_mtime_ns
    # A folder this young may change again within the tick of its time stamp.
    is_settled = time.time() - found.st_mtime > _SETTLED_SECONDS
    join = _join if is_settled else _join.__wrapped__
    try:
        return join(certificates, folder, version)
    except OSError:  # there are no descriptors to read it with
        return certificates


_SETTLED_SECONDS = 2.0


@functools.lru_cache(maxsize=4)
def _join(certificates: tuple[bytes, ...], folder: str, _version: tuple[int, ...]) -> tuple[bytes, ...]:
    """*certificates* and those of *folder*, read again when a name in it was added, replaced or removed."""
    return tuple(dict.fromkeys(certificates + stores.read_hashed(folder)))


def _has(certificates: tuple[bytes, ...], trust: Trust | None, top: Certificate) -> bool:
    if trust is not None and frozenset(certificates) <= frozenset(trust.anchors):
        return False
    if top.der in certificates:
        return True
    # The same name may have another key: what calls itself a root is known by all its bytes alone.
    return not top.self_issued and any(map(top.names_as_issuer, read(certificates)))


def _quietly(find: Callable[[], Source | None]) -> Source | None:
    try:
        return find()
    except (OSError, ValueError, ImportError):  # this store is broken, which is not the failure to be explained
        return None


@functools.lru_cache(maxsize=4)
def read(certificates: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """What OpenSSL takes for CAs among *certificates*, which CPython can name."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    load(context, certificates)
    named, raw = context.get_ca_certs(), authorities(context)
    return tuple(Certificate(der, info) for der, info in zip(raw, named, strict=True))
