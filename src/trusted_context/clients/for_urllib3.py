"""urllib3, and requests on top of it.

A pool manager keeps its connections by a key that holds the SSLContext. Inside a block ours is put there for whoever
chose none, so that urllib3 itself keeps apart what was opened inside from what was opened outside.
"""

from __future__ import annotations

import functools
import os
import ssl
import sys
import weakref
from contextvars import ContextVar
from types import SimpleNamespace

from ..core import live
from ..core.lock import lock
from ..sources import environment
from .patches import NotCoveredError, Patches
from .steady import LATE, steady

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..core.trust import Trust

_patches = Patches()

# The contexts that we put into pools, by which a pool of ours is known.
_ours: weakref.WeakSet[ssl.SSLContext] = weakref.WeakSet()

# Those that live only as long as the pools they are in.
_kept_by_pools: weakref.WeakValueDictionary[tuple[object, ...], ssl.SSLContext] = weakref.WeakValueDictionary()


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    return _patches.restore()


def meet_pool_manager(module: ModuleType) -> None:
    """Cover the pools of urllib3, whoever asks for them.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    if not is_covered():
        raise NotCoveredError("which needs urllib3 2, for requests too")
    _patches.require(module, "PoolManager.connection_from_context")
    _patches.wrap(module.PoolManager, "connection_from_context", _make_connection_from_context)


def meet_sessions(module: ModuleType) -> None:
    """Cover what requests reads from the environment.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    if is_covered():
        _patches.require(module, "Session.merge_environment_settings")
        _patches.wrap(module.Session, "merge_environment_settings", _make_merge_environment_settings)


def meet_adapters(module: ModuleType) -> None:
    """Cover what requests puts on the pools it was given.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    if is_covered():
        _patches.require(module, "HTTPAdapter.cert_verify", "HTTPAdapter.send")
        _patches.wrap(module.HTTPAdapter, "cert_verify", _make_cert_verify)
        if not hasattr(module.HTTPAdapter, "get_connection_with_tls_context"):
            _patches.wrap(module.HTTPAdapter, "send", _make_send)


def is_covered() -> bool:
    """Whether the urllib3 that is imported is one we cover."""
    # urllib3 1 matches host names by itself, with another reading of the settings; see its changes in 2.0.
    return not _version().startswith("1.")


def _version() -> str:
    version: str = getattr(sys.modules.get("urllib3"), "__version__", "")
    return version


def _make_connection_from_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def connection_from_context(self: Any, request_context: dict[str, Any]) -> Any:
        entry = live.governing()
        if entry is not None:
            request_context = request_context | _asked.get()
        if entry is not None and str(request_context.get("scheme")).lower() == "https":
            if _is_default(request_context):
                request_context = _with_trust(request_context, entry.trust)
            if _is_proxy_default(request_context):
                request_context = _with_trust_in_proxy(request_context, entry.trust)
        return original(self, request_context)

    return connection_from_context


# What requests before 2.32.2 was asked for in the call under way: it tells the pool only once it has it.
_asked: ContextVar[dict[str, Any]] = ContextVar("trusted_context_asked", default={})  # noqa: B039  # nobody writes to it


def _make_send(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(("stream", "timeout", "verify", "cert"), args, strict=False)) | kwargs
        verify, cert = given.get("verify", True), given.get("cert")
        asked: dict[str, Any] = {}
        if not verify:
            asked["cert_reqs"] = "CERT_NONE"
        elif verify is not True:
            asked["ca_cert_dir" if os.path.isdir(verify) else "ca_certs"] = verify
        if cert:
            asked["cert_file"], asked["key_file"] = (cert, None) if isinstance(cert, str) else cert
        token = _asked.set(asked)
        try:
            return original(self, request, *args, **kwargs)
        finally:
            _asked.reset(token)

    return send


def _is_default(request_context: dict[str, Any]) -> bool:
    """Whether nobody chose the trust: no context, no CAs but certifi's or the environment's, and not unverified."""
    context = request_context.get("ssl_context")
    if context is not None and context is not _preloaded_by_requests():
        return False
    if request_context.get("ca_cert_data") or request_context.get("cert_reqs") in _UNVERIFIED:
        return False
    # urllib3 takes an empty one for none.
    chosen = {request_context.get("ca_certs"), request_context.get("ca_cert_dir")} - {None, ""}
    return not chosen or chosen <= _defaults()


# What urllib3 takes for ssl.CERT_NONE, which is 0.
_UNVERIFIED = ("CERT_NONE", "NONE", 0)


def _preloaded_by_requests() -> object:
    # requests 2.32.0 to 2.32.4 pass a context made at their import, for whoever chose none.
    return getattr(sys.modules.get("requests.adapters"), "_preloaded_ssl_context", None)


def _defaults() -> set[str | None]:
    """The CA files and folders that are nobody's choice for a connection."""
    certifi, adapters = sys.modules.get("certifi"), sys.modules.get("requests.adapters")
    paths = {certifi.where() if certifi else None, getattr(adapters, "DEFAULT_CA_BUNDLE_PATH", None)}
    # Not what a block exported: a pin of the user's own file would be taken for that.
    return paths | {environment.value(name) for names in environment.PRECEDENCE for name in names}


def _with_trust(request_context: dict[str, Any], trust: Trust) -> dict[str, Any]:
    """The same request context, with our SSLContext for the server."""
    changed = {name: value for name, value in request_context.items() if name not in _DECIDED}
    host, port = request_context["host"], request_context.get("port")
    settings = _Settings(
        client_certificate=tuple(request_context.get(name) for name in _CERTIFICATE_KEYWORDS),
        matches_names_itself=_matches_names_itself(request_context),
        versions=tuple(request_context.get(name) for name in _VERSION_KEYWORDS),
    )
    changed["ssl_context"] = _context(trust, settings, host, port)
    return changed


def _is_proxy_default(request_context: dict[str, Any]) -> bool:
    """Whether there is an ``https://`` proxy whose trust nobody chose.

    What was chosen for the server by CA file or by ``cert_reqs`` is urllib3's choice for such a proxy too.
    """
    proxy, config = request_context.get("_proxy"), request_context.get("_proxy_config")
    if proxy is None or config is None or proxy.scheme != "https" or config.ssl_context is not None:
        return False
    if any(request_context.get(name) for name in ("ca_certs", "ca_cert_dir", "ca_cert_data")):
        return False
    if config.use_forwarding_for_https and request_context.get("ssl_context") not in {None, *_ours}:
        return False  # it is the proxy that urllib3 then uses the server's context for
    return request_context.get("cert_reqs") not in _UNVERIFIED


def _with_trust_in_proxy(request_context: dict[str, Any], trust: Trust) -> dict[str, Any]:
    """The same request context, with our SSLContext for the ``https://`` proxy in between."""
    proxy, config = request_context["_proxy"], request_context["_proxy_config"]
    settings = _Settings(matches_names_itself=_matches_names_itself(config._asdict()))
    context = _context(trust, settings, proxy.host, proxy.port)
    return request_context | {"_proxy_config": config._replace(ssl_context=context)}


# What the context decides; without cert_reqs urllib3 goes by its verify_mode.
_DECIDED = frozenset({"ca_certs", "ca_cert_dir", "cert_reqs"})
_CERTIFICATE_KEYWORDS = ("cert_file", "key_file", "key_password")
_VERSION_KEYWORDS = ("ssl_version", "ssl_minimum_version", "ssl_maximum_version")


def _matches_names_itself(keywords: dict[str, Any]) -> bool:
    """Whether urllib3 will turn the context's own check of the host name off, to match something else itself."""
    return bool(keywords.get("assert_fingerprint")) or keywords.get("assert_hostname") is not None


def _context(trust: Trust, settings: _Settings, host: str, port: int | None) -> ssl.SSLContext:
    # Never shared between servers where a context is locked during the handshake (truststore's), nor longer kept than
    # a pool has use for it where it holds a client's key; a pool is known by its context.
    if trust.native or settings.holds_a_key:
        server = (host, port) if trust.native else trust.verifies(host, port)
        with lock:
            context = _kept_by_pools.get((trust, settings, server))
            if context is None:
                context = trust.new_context(host, port)
                settings(context)
                _kept_by_pools[trust, settings, server] = context
    else:
        context = trust.shared_context(settings, host, port)
    _ours.add(context)
    return context


class _Settings:
    """What urllib3 writes on a context while it connects: contexts are shared by pools that write the same alone."""

    __slots__ = ("_key", "_versions", "holds_a_key")

    def __init__(
        self,
        *,
        client_certificate: tuple[object, ...] = (None, None, None),
        matches_names_itself: bool = False,
        versions: tuple[Any, ...] = (None, None, None),
    ) -> None:
        self._key = (client_certificate, matches_names_itself, versions)
        self._versions = versions
        self.holds_a_key = client_certificate[0] is not None

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Settings) and self._key == other._key

    def __call__(self, context: ssl.SSLContext) -> None:
        """Give *context* what urllib3 gives the contexts it makes."""
        from urllib3.util.ssl_ import create_urllib3_context, resolve_ssl_version

        version, minimum, maximum = self._versions
        like = create_urllib3_context(
            ssl_version=resolve_ssl_version(version) if version else None,
            ssl_minimum_version=minimum,
            ssl_maximum_version=maximum,
        )
        context.options = like.options
        context.minimum_version, context.maximum_version = like.minimum_version, like.maximum_version
        context.post_handshake_auth = True
        context.hostname_checks_common_name = False
        steady(context)


def _make_merge_environment_settings(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def merge_environment_settings(self: Any, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        settings = original(self, url, proxies, stream, verify, cert)
        if live.governing() is not None:
            # Otherwise REQUESTS_CA_BUNDLE, dangling ones included, would overrule the block and the session's own.
            chosen = self.verify if verify is None else verify
            # requests itself takes only a str into the key of its pools.
            settings["verify"] = os.fsdecode(chosen) if isinstance(chosen, (bytes, os.PathLike)) else chosen
        return settings

    return merge_environment_settings


def is_ours(pool: Any) -> bool:
    """Whether a connection pool was given a context of ours."""
    return getattr(pool, "conn_kw", {}).get("ssl_context") in _ours


def _make_cert_verify(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def cert_verify(self: Any, conn: Any, url: Any, verify: Any, cert: Any) -> Any:
        if not is_ours(conn):
            return original(self, conn, url, verify, cert)
        if isinstance(verify, (str, bytes, os.PathLike)) and os.fsdecode(verify) not in {"", *_defaults()}:
            raise ssl.SSLError(LATE)  # an adapter that chooses its pool without a look at verify
        if cert and getattr(conn, "cert_file", None) is None:
            raise ssl.SSLError(LATE)  # and without one at cert: it would be left out without a word
        # It would make urllib3 load certifi's bundle into our context. Its check of the client certificate's files is
        # wanted, and lands on nothing; the pool has them already.
        return original(self, SimpleNamespace(), url, verify=False, cert=cert)

    return cert_verify
