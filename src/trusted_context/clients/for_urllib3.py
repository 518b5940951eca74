"""urllib3, and requests on top of it.

A connection of urllib3's tells what was chosen for it when it connects. Where nothing was, it gets a context of the
block's, for itself alone. Pools keep their connections for later: inside a block a pool manager keeps other pools, and
any pool closes a connection that was made under another trust before it gives it out.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import ssl
import sys

from ..core import live, versions
from ..core.contexts import Context
from ..core.identity import IdentityMap
from ..sources import defaults
from . import for_ssl, seen_contexts
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..core.live import Entry
    from ..core.trust import Trust

_patches = Patches()

# By what a connection was verified when it was made: on the connection, as its class has no other place.
_MADE_UNDER = "_trusted_context_made_under"

# The pools that gave out a connection while a block lived.
_pools = IdentityMap()


def restore() -> list[str]:
    """Put every method back where it is still ours, and close the connections that wait in a pool for no block."""
    replaced = _patches.restore()
    for pool in _pools.keys():  # noqa: SIM118  # it is no dictionary
        _close_idle(pool)
        _pools.discard(pool)
    return replaced


def cover_connections(module: ModuleType) -> None:
    """Cover the connections of urllib3.

    Raises:
        NotCoveredError: it lacks the method that connects.
    """
    _patches.require(module, "HTTPSConnection.connect")
    _patches.wrap(_patches.owner(module, "HTTPSConnection"), "connect", _make_connect)


def cover_pools(module: ModuleType) -> None:
    """Keep apart the connections that a pool keeps.

    Raises:
        NotCoveredError: it lacks the method that gives out a connection.
    """
    _patches.require(module, "HTTPConnectionPool._get_conn")
    _patches.wrap(_patches.owner(module, "HTTPConnectionPool"), "_get_conn", _make_get_conn)


def cover_pool_manager(module: ModuleType) -> None:
    """Keep apart the pools of a pool manager.

    Raises:
        NotCoveredError: it lacks the method that finds a pool by its key.
    """
    _patches.require(module, "PoolManager.connection_from_pool_key")
    _patches.wrap(
        _patches.owner(module, "PoolManager"),
        "connection_from_pool_key",
        _make_connection_from_pool_key,
    )


def cover_sessions(module: ModuleType) -> None:
    """Keep the environment from overruling the block, and what a session chose.

    Raises:
        NotCoveredError: requests lacks the method that reads the environment.
    """
    _patches.require(module, "Session.merge_environment_settings")
    _patches.wrap(
        _patches.owner(module, "Session"),
        "merge_environment_settings",
        _make_merge_environment_settings,
    )


def _make_connect(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def connect(self: Any) -> None:
        entry = live.governing()
        setattr(self, _MADE_UNDER, _governed_by(self, entry))
        if entry is None:
            return original(self)
        # For the time of connecting alone: what the connection was built with is what it has afterwards.
        ours = {**_for_server(self, entry), **_for_proxy(self, entry)}
        before = {name: getattr(self, name) for name in ours}
        vars(self).update(ours)
        try:
            with for_ssl.left_alone() if _names_a_choice(self) else contextlib.nullcontext():
                return original(self)
        finally:
            vars(self).update(before)

    return connect


def _server_of(connection: Any) -> tuple[str, int | None]:
    if connection._tunnel_host is not None:
        return connection._tunnel_host, connection._tunnel_port
    return connection.host, connection.port


def _governed_by(connection: Any, entry: Entry | None) -> tuple[Trust, bool] | None:
    """What decides on the connection, if a block does; ``None`` also where somebody chose its trust."""
    if entry is None or not (_is_default(connection) or _has_default(connection) or _is_proxy_default(connection)):
        return None
    return entry.trust, entry.trust.verifies(*_server_of(connection))


def _for_server(connection: Any, entry: Entry) -> dict[str, Any]:
    """The attributes of the connection that give the server's verification to the block."""
    if isinstance(connection.ssl_context, Context) and _names_defaults(connection):
        # A block's context that the caller passed: requests would have certifi's CAs loaded into it.
        return _NO_CAS
    if not _is_default(connection):
        return {}
    host, port = _server_of(connection)
    context = entry.resolved.verifier.borrowing(host, port, source=entry.resolved.summary, is_over=entry.is_over)
    _write_versions(context, connection)
    context.post_handshake_auth = True
    context.hostname_checks_common_name = False
    if connection.assert_hostname is False:  # which urllib3 before 2.0.3 forgets to tell the context
        context.check_hostname = False
    # Without cert_reqs="CERT_NONE" urllib3 would ask for a verified certificate after the handshake.
    reqs = {} if entry.trust.verifies(host, port) else {"cert_reqs": ssl.CERT_NONE}
    return {**_NO_CAS, **reqs, "ssl_context": context}


_NO_CAS: dict[str, Any] = {"ca_certs": None, "ca_cert_dir": None, "ca_cert_data": None}


def _write_versions(context: ssl.SSLContext, connection: Any) -> None:
    """Give *context* what urllib3 gives the contexts it makes for such a connection."""
    from urllib3.util.ssl_ import create_urllib3_context, resolve_ssl_version

    version = connection.ssl_version
    like = create_urllib3_context(
        ssl_version=resolve_ssl_version(version) if version else None,
        ssl_minimum_version=connection.ssl_minimum_version,
        ssl_maximum_version=connection.ssl_maximum_version,
    )
    values = {name: getattr(like, name) for name in ("options", "minimum_version", "maximum_version")}
    for name, value in versions.without_deprecated(values, context.security_level).items():
        setattr(context, name, value)


def _for_proxy(connection: Any, entry: Entry) -> dict[str, Any]:
    """The attributes of the connection that give the verification of an ``https://`` proxy to the block."""
    if not _is_proxy_default(connection):
        return {}
    proxy = connection.proxy
    verifier = entry.resolved.verifier
    context = verifier.borrowing(proxy.host, proxy.port, source=entry.resolved.summary, is_over=entry.is_over)
    context.post_handshake_auth = True
    return {"proxy_config": connection.proxy_config._replace(ssl_context=context)}


def _is_default(connection: Any) -> bool:
    """Whether the trust is default: no context, no CAs but a default's, and not unverified."""
    if not hasattr(connection, "ssl_context"):  # http://, also by way of a proxy
        return False
    context = connection.ssl_context
    if context is not None and context is not _preloaded_by_requests():
        return False
    return connection.cert_reqs not in _UNVERIFIED and not _names_a_choice(connection)


def _has_default(connection: Any) -> bool:
    """Whether it was given a context whose trust is default, by which it is verified as those of every client are."""
    context = getattr(connection, "ssl_context", None)
    unverified = connection.cert_reqs in _UNVERIFIED if context is not None else True
    return not unverified and not _names_a_choice(connection) and seen_contexts.is_default(context)


def _names_a_choice(connection: Any) -> bool:
    return bool(connection.ca_cert_data) or not _names_defaults(connection)


def _names_defaults(connection: Any) -> bool:
    named = [path for path in (connection.ca_certs, connection.ca_cert_dir) if path]
    return all(path == _requests_bundle() or defaults.is_default_path(path) for path in named)


# What urllib3 takes for ssl.CERT_NONE, which is 0.
_UNVERIFIED = ("CERT_NONE", "NONE", 0)


def _preloaded_by_requests() -> object:
    # requests 2.32.0 to 2.32.4 pass a context made at their import, for whoever chose none.
    return getattr(sys.modules.get("requests.adapters"), "_preloaded_ssl_context", None)


def _requests_bundle() -> object:
    return getattr(sys.modules.get("requests.adapters"), "DEFAULT_CA_BUNDLE_PATH", None)


def _is_proxy_default(connection: Any) -> bool:
    """Whether there is an ``https://`` proxy with default trust.

    What was chosen for the server by CA file or by ``cert_reqs`` is urllib3's choice for such a proxy too.
    """
    proxy, config = getattr(connection, "proxy", None), getattr(connection, "proxy_config", None)
    if proxy is None or config is None or proxy.scheme != "https" or config.ssl_context is not None:
        return False
    if not hasattr(connection, "ssl_context") or connection.cert_reqs in _UNVERIFIED:
        return False
    forwards = config.use_forwarding_for_https or connection._tunnel_host is None  # also to an http:// server
    if forwards and connection.ssl_context is not None:
        return False  # it is the proxy that urllib3 then uses the server's context for
    return not _names_a_choice(connection)


def _make_get_conn(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_conn(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = original(self, *args, **kwargs)
        if _pools.get(self) is None:
            _pools.set(self, True)  # noqa: FBT003  # a value, not a switch
        # It may have waited for this one until its block was over; and a pool may be used in several blocks.
        wanted = _governed_by(connection, live.governing())
        if not connection.is_closed and getattr(connection, _MADE_UNDER, None) != wanted:
            connection.close()
        return connection

    return get_conn


def _close_idle(pool: Any) -> None:
    """Close the connections that wait in *pool* and were made under a block; they are opened anew when needed."""
    waiting = getattr(pool, "pool", None)
    if waiting is None:  # closed
        return
    if hasattr(waiting, "iter_idle"):  # pragma: no cover  # urllib3-future's, installed in urllib3's place
        for connection in waiting.iter_idle():
            _close_if_ours(connection)
        return
    taken = []
    try:
        while True:
            taken.append(waiting.get_nowait())
    except queue.Empty:
        pass
    for connection in reversed(taken):
        _close_if_ours(connection)
        try:
            waiting.put_nowait(connection)
        except queue.Full:  # others were given back meanwhile
            if connection is not None:  # a place for one that is still to be made
                connection.close()


def _close_if_ours(connection: Any) -> None:
    if getattr(connection, _MADE_UNDER, None) is not None:
        connection.close()


def _make_connection_from_pool_key(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def connection_from_pool_key(self: Any, pool_key: Any, request_context: Any) -> Any:
        entry = live.governing()
        if entry is not None and _speaks_tls(request_context):
            kind: Any = type(pool_key)
            pool_key = _kind_of_key(kind)(*pool_key)
            pool_key.trust = entry.trust
        return original(self, pool_key, request_context)

    return connection_from_pool_key


def _speaks_tls(request_context: dict[str, Any]) -> bool:
    proxy = request_context.get("_proxy")
    return "https" in (str(request_context.get("scheme")).lower(), getattr(proxy, "scheme", None))


@functools.lru_cache(maxsize=8)
def _kind_of_key(base: Any) -> Any:
    class Key(base):  # type: ignore[misc]  # a class found at run time
        """A key of a pool that is used under one trust, and equal to no key of another."""

        trust: Trust | None = None

        def __hash__(self) -> int:
            return hash((super().__hash__(), self.trust))

        def __eq__(self, other: object) -> bool:
            return type(other) is type(self) and self.trust == other.trust and super().__eq__(other)

        def __ne__(self, other: object) -> bool:
            return not self == other

    Key.__name__ = Key.__qualname__ = base.__name__
    return Key


def _make_merge_environment_settings(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def merge_environment_settings(self: Any, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        settings = original(self, url, proxies, stream, verify, cert)
        if live.governing() is not None:
            # Otherwise REQUESTS_CA_BUNDLE, dangling ones included, would overrule the block and the session's own.
            chosen = self.verify if verify is None else verify
            if chosen == "":  # with which requests verifies nothing, though nobody said so
                chosen = True
            # requests itself takes only a str into the key of its pools.
            settings["verify"] = os.fsdecode(chosen) if isinstance(chosen, (bytes, os.PathLike)) else chosen
        return settings

    return merge_environment_settings
