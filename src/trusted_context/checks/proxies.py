"""The proxies that variables and the operating system name, and which of them is in force for a host."""

from __future__ import annotations

import os
import urllib.request

from ..core.hosts import authority
from ..core.redaction import show_exceptions, show_url
from .deadline import within
from .findings import Proxies
from .target import parse_proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .deadline import Deadline
    from .target import Proxy

_KINDS = ("https", "all", "http", "no")


def find(host: str, port: int, deadline: Deadline) -> tuple[Proxies, Proxy | None]:
    """What Python's clients go through to this host, and what they were told that by."""
    try:
        named = within(deadline, urllib.request.getproxies)
        excepted = within(deadline, urllib.request.proxy_bypass, authority(host, port))
    except TimeoutError:
        return Proxies(told={}, problem="the operating system did not say in time which proxy is in force"), None
    told = {kind: _show(kind, value) for kind, value in named.items() if kind in _KINDS}
    remarks = list(_disagreements())
    text = named.get("https") or named.get("all")
    if not text:
        if named.get("http"):
            remarks.append("http_proxy is for http:// alone: for https:// set https_proxy too")
        return Proxies(told=told, remarks=tuple(remarks)), None
    if excepted:
        return Proxies(told=told, excepted=True, remarks=tuple(remarks)), None
    if not named.get("https"):
        remarks.append("all_proxy is not heeded by urllib (torchvision, torch.hub, ...): set https_proxy too")
    try:
        proxy = parse_proxy(text)
    except ValueError as error:
        return Proxies(told=told, problem=str(error), remarks=tuple(remarks)), None
    if proxy.scheme not in ("http", "https"):
        problem = f"a {proxy.scheme} proxy, which neither urllib nor this check can speak to: is there one for http://?"
        return Proxies(told=told, used=str(proxy), problem=problem, remarks=tuple(remarks)), None
    if proxy.scheme == "https":
        remarks.append("spoken to in TLS, as requests and httpx can; urllib (torchvision, ...) cannot")
    return Proxies(told=told, used=str(proxy), remarks=tuple(remarks)), proxy


def _show(kind: str, value: str) -> str:
    return show_exceptions(value) if kind == "no" else show_url(value)


def _disagreements() -> Iterator[str]:
    """What to say where both spellings of a variable are set, and differ."""
    if os.name == "nt":  # where a variable has one value, however it is spelt
        return
    for kind in _KINDS:
        lower, upper = f"{kind}_proxy", f"{kind.upper()}_PROXY"
        mine, other = os.environ.get(lower), os.environ.get(upper)
        if mine is None or not other or mine == other:
            continue
        # urllib.request.getproxies_environment(): an empty lower-case one takes the other's effect away.
        force = f"{lower}={_show(kind, mine)} is in force" if mine else f"the empty {lower} is in force, so none is"
        yield (
            f"{lower} and {upper} disagree: in Python {force}; programs in other languages may go by "
            f"{upper}={_show(kind, other)}: set both to the same, or unset one"
        )
