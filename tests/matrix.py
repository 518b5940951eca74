"""The clients that a block covers, and what is seen of each of them on real connections."""

from __future__ import annotations

import contextlib
import os
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import client_rows
import client_rows_async
from servers import ConnectProxy, Server, serving, write_ca

from trusted_context import trusted_context

if TYPE_CHECKING:
    from client import Client

USER, PASSWORD = "user", "p@ss"

# What else a block may cover is a row there.
CLIENTS = (*client_rows.ROWS, *client_rows_async.ROWS)


@dataclass(frozen=True)
class Row:
    """What was seen of one client; None where it cannot go that way."""

    name: str
    inside: bool
    built_before: bool
    ordinary_after: bool
    proxy: bool | None


def coverage(ca: Any, folder: Any) -> list[Row]:
    """A row for each client, from connections to a server that *ca* (trustme's) signed for; *folder* is to write in."""
    cafile = write_ca(ca, folder / "coverage.pem")
    with (
        serving(Server(ca.issue_cert("localhost"))) as server,
        serving(ConnectProxy(f"{USER}:{PASSWORD}")) as proxy,
    ):
        return [_measure(client, server.url, proxy, cafile) for client in CLIENTS]


def with_credentials(proxy: ConnectProxy) -> str:
    """The proxy's URL, with user and password as they are written in one."""
    return proxy.url.replace("//", f"//{USER}:{urllib.parse.quote(PASSWORD)}@")


def _measure(client: Client, url: str, proxy: ConnectProxy, cafile: Any) -> Row:
    seen = {route: _covered(client, url, with_credentials(proxy), route, cafile) for route in client.routes}
    inside, before, after = seen[client.routes[0]]
    through = seen.get("proxy")
    return Row(client.name, inside, before, after, None if through is None else all(through) and bool(proxy.tunnelled))


def _covered(client: Client, url: str, proxy: str, route: str, cafile: Any) -> tuple[bool, bool, bool]:
    with going(route, proxy) as via, contextlib.ExitStack() as stack:
        before = client.build(via)
        stack.callback(client.close, before)
        ordinary = client.outcome(before, url, via) == "refused"
        with trusted_context(cafile):
            made = client.build(via)
            stack.callback(client.close, made)
            inside = client.outcome(made, url, via) == "fetched"
            covered = client.outcome(before, url, via) == "fetched"
        after = [client.outcome(kept, url, via) == "refused" for kept in (before, made)]
    return inside, covered, ordinary and all(after)


@contextlib.contextmanager
def going(route: str, proxy: str) -> Any:
    """Give the URL of the proxy, which the environment names meanwhile, or None on the direct route."""
    urllib.request.install_opener(None)  # it keeps the proxies of the moment it was built at
    if route == "direct":
        yield None
        return
    with mock.patch.dict(os.environ, {"https_proxy": proxy}):
        yield proxy


def markdown(rows: list[Row]) -> str:
    """The table of docs/reference/coverage.md."""
    words = {True: "covered", False: "**no**", None: "it has none"}
    ordinary = {True: "as before it", False: "**no**"}
    lines = [
        "| client | made inside a block | made before, used inside | used after it | through a proxy, with password |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {words[row.inside]} | {words[row.built_before]} | {ordinary[row.ordinary_after]} "
        f"| {words[row.proxy]} |"
        for row in rows
    ]
    return "\n".join(lines)
