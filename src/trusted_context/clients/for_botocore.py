"""botocore, and boto3 on top of it: they hand urllib3 a context of their own, which here counts as nobody's choice.

Inside a block a session's pools are asked for without that context, so that our urllib3 gives them the block's.
"""

from __future__ import annotations

import functools
import os

from ..core import live
from ..sources import environment
from . import for_urllib3
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_patches = Patches()


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    return _patches.restore()


def meet_httpsession(module: ModuleType) -> None:
    """Cover botocore, where its urllib3 is covered.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    if for_urllib3.is_covered():
        _patches.require(module, "URLLib3Session._get_connection_manager", "URLLib3Session._setup_ssl_cert", "where")
        _patches.wrap(
            module.URLLib3Session, "_get_connection_manager", functools.partial(_make_get_connection_manager, module)
        )
        _patches.wrap(module.URLLib3Session, "_setup_ssl_cert", _make_setup_ssl_cert)


def _make_get_connection_manager(module: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_connection_manager(self: Any, *args: Any, **kwargs: Any) -> Any:
        manager = original(self, *args, **kwargs)
        return _Unchosen(manager) if live.governing() is not None and _is_default(self._verify, module) else manager

    return get_connection_manager


def _is_default(verify: object, module: Any) -> bool:
    """Whether nobody chose the trust of a session: no file but certifi's or the user's variables', and verified.

    What a block exported stays with the clients made meanwhile: the user may have named that very file.
    """
    if not isinstance(verify, (str, bytes, os.PathLike)):
        return verify is True
    defaults = {module.where(), environment.value("AWS_CA_BUNDLE"), environment.value("REQUESTS_CA_BUNDLE")}
    return os.fsdecode(verify) in defaults


class _Unchosen:
    """A pool manager that is asked for its pools without the context it was made with."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def connection_from_url(self, url: str) -> Any:
        return self._manager.connection_from_url(url, pool_kwargs={"ssl_context": None})


def _make_setup_ssl_cert(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def setup_ssl_cert(self: Any, conn: Any, url: str, verify: Any) -> Any:
        # It would make urllib3 load certifi's bundle into our context.
        return None if for_urllib3.is_ours(conn) else original(self, conn, url, verify)

    return setup_ssl_cert
