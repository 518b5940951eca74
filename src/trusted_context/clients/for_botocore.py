"""botocore, and boto3 on top of it: they hand urllib3 a context of their own making, with default trust.

Inside a block a session's pools are asked for without that context, so that urllib3's connections are the block's.
"""

from __future__ import annotations

import functools
import os

from ..core import live
from ..sources import environment
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_patches = Patches()


def restore() -> list[str]:
    """Put the method back where it is still ours."""
    return _patches.restore()


def cover_httpsession(module: ModuleType) -> None:
    """Cover botocore, together with urllib3.

    Raises:
        NotCoveredError: it lacks the method that finds the pool manager, or the path of its CAs.
    """
    _patches.require(module, "URLLib3Session._get_connection_manager", "where")
    make = functools.partial(_make_get_connection_manager, module)
    _patches.wrap(_patches.owner(module, "URLLib3Session"), "_get_connection_manager", make)


def _make_get_connection_manager(module: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_connection_manager(self: Any, *args: Any, **kwargs: Any) -> Any:
        manager = original(self, *args, **kwargs)
        return _Unchosen(manager) if live.governing() is not None and _is_default(self._verify, module) else manager

    return get_connection_manager


def _is_default(verify: object, module: Any) -> bool:
    """Whether the trust of a session is default: no file but certifi's or the user's variables', and verified.

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
