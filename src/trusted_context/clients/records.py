"""One record for each client that has patches of its own. Whatever else has to know the clients reads it here."""

from __future__ import annotations

from ..core import green


class Client:
    """A client, or a family of them that one module of ours covers.

    Args:
        name: that of the module ``for_<name>`` here.
        modules: the modules in which it is covered, each with the function of ours that covers it.
        errors: the packages whose exceptions wrap a failure to connect.
        argument: the argument, by package, that takes an ``ssl.SSLContext``.
        beneath: packages that its users do not call it by, each with the one that they do.
        oldest: the oldest versions that are tested, as pip is asked for them.
    """

    __slots__ = ("argument", "beneath", "errors", "modules", "name", "oldest")

    def __init__(  # all of them facts of one client
        self,
        name: str,
        modules: dict[str, str],
        *,
        errors: tuple[str, ...] = (),
        argument: dict[str, str] | None = None,
        beneath: dict[str, str] | None = None,
        oldest: str = "",
    ) -> None:
        self.name: str = name
        self.modules: dict[str, str] = modules
        self.errors: tuple[str, ...] = errors
        self.argument: dict[str, str] = argument or {}
        self.beneath: dict[str, str] = beneath or {}
        self.oldest: str = oldest


_SPAWN, _UTIL = "cover_spawn", "cover_util"

# Those without a module to wait for cover the standard library, from the first block on.
CLIENTS = (
    Client(
        "ssl",
        {},
        argument={
            "asyncio": "ssl",
            "elasticsearch": "ssl_context",
            "ftplib": "context",
            "imaplib": "ssl_context",
            "poplib": "context",
            "smtplib": "context",
            "websockets": "ssl",
        },
    ),
    Client("greenlets", dict.fromkeys(green.MODULES, "cover_contexts")),
    Client("urllib", {}, errors=("urllib",), argument={"http": "context", "urllib": "context"}),
    Client(
        "urllib3",
        {
            "urllib3.connection": "cover_connections",
            "urllib3.connectionpool": "cover_pools",
            "urllib3.poolmanager": "cover_pool_manager",
            "requests.sessions": "cover_sessions",
        },
        errors=("requests", "urllib3"),
        argument={"urllib3": "ssl_context"},
        oldest="urllib3==2.0.2 requests==2.32.2",
    ),
    Client("botocore", {"botocore.httpsession": "cover_httpsession"}, errors=("botocore",), oldest="botocore==1.34.0"),
    Client(
        "httpx",
        {
            "httpx": "cover_library",
            "httpx._transports.default": "cover_transports",
            "httpx2": "cover_library",
            "httpx2._transports.default": "cover_transports",
        },
        errors=("httpcore", "httpcore2", "httpx", "httpx2"),
        argument={"httpx": "verify", "httpx2": "verify"},
        beneath={"httpcore": "httpx", "httpcore2": "httpx2"},
        oldest="httpx[http2,socks]==0.28.0 httpx2[http2,socks]==2.16.0",
    ),
    Client(
        "aiohttp",
        {"aiohttp.connector": "cover_connector"},
        errors=("aiohttp",),
        argument={"aiohttp": "ssl"},
        oldest="aiohttp==3.11.0",
    ),
    Client(
        "multiprocessing",
        {
            "multiprocessing.spawn": _SPAWN,
            "multiprocessing.util": _UTIL,
            "loky.backend.spawn": _SPAWN,
            "joblib.externals.loky.backend.spawn": _SPAWN,
            "multiprocess.spawn": _SPAWN,
            "multiprocess.util": _UTIL,
        },
    ),
)
