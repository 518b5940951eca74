"""What a block costs the clients that keep their connections, and the connections of Python's own TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import certifi
from _loopback import serving
from _sampling import Fact, Row, interleave, timed

from trusted_context import trusted_context

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from trusted_context import TrustedContext


def through_requests(_options: argparse.Namespace) -> Iterator[Row | Fact]:
    """Requests without a session, which outside reads the CA file at every call; and one session's kept connection."""
    try:
        import requests
    except ImportError:
        yield Fact("requests", "is not installed", "skipped")
        return
    with serving() as server, contextlib.ExitStack() as stack:
        bundle, url = server.bundle_with(certifi.where()), server.url()
        block = trusted_context(bundle)
        get_inside, get_outside = partial(requests.get, url), partial(requests.get, url, verify=bundle)
        inside, outside = interleave(10, _within(block, timed(get_inside, 20), get_inside), timed(get_outside, 20))
        yield Row("200 requests.get (verify=bundle)", inside, outside, limit=1 / 5, aim=1 / 8)
        one, another, third = (stack.enter_context(requests.Session()) for _ in range(3))
        another.verify = third.verify = bundle
        yield from _over_a_kept_connection("one session", block, [one, another, third], url, limit=1.1, aim=1.05)


def through_httpx(_options: argparse.Namespace) -> Iterator[Row | Fact]:
    """One httpx client's requests over a kept connection."""
    try:
        import httpx
    except ImportError:
        yield Fact("httpx", "is not installed", "skipped")
        return
    with serving() as server, contextlib.ExitStack() as stack:
        bundle = server.bundle_with(certifi.where())
        chosen = ssl.create_default_context(cafile=bundle)
        clients = [stack.enter_context(httpx.Client(verify=verify)) for verify in (True, chosen, chosen)]
        # At each request the client's context is looked at again, and the request passes a second pool.
        block = trusted_context(bundle)
        yield from _over_a_kept_connection("one httpx client", block, clients, server.url(), limit=1.15, aim=1.05)


def through_ssl(_options: argparse.Namespace) -> Iterator[Row]:
    """Connections of a context with default trust, which a block looks at and verifies."""
    with serving() as server:
        bundle = server.bundle_with(certifi.where())
        default, chosen = ssl.create_default_context(), ssl.create_default_context(cafile=bundle)
        connect_default, connect_chosen = (partial(_connect, context, server.url()) for context in (default, chosen))
        inside = _within(trusted_context(bundle), timed(connect_default, 10), connect_default)
        looked_at, bare, bare_too = interleave(60, inside, timed(connect_chosen, 10), timed(connect_chosen, 10))
    yield Row("connection of Python's ssl", looked_at, bare, limit=1.05, paired=True)
    yield Row("... noise: outside against itself", bare_too, bare, limit=1.05, paired=True)


def _connect(context: ssl.SSLContext, url: str) -> None:
    place = urlsplit(url)
    host = str(place.hostname)
    with socket.create_connection((host, place.port)) as raw, context.wrap_socket(raw, server_hostname=host):
        pass


def _over_a_kept_connection(  # noqa: PLR0913  # the columns of a row
    title: str, block: TrustedContext, clients: list[Any], url: str, *, limit: float, aim: float
) -> Iterator[Row]:
    kept = [timed(partial(client.get, url), 40) for client in clients]
    kept[0] = _within(block, kept[0], partial(clients[0].get, url))
    inside, outside, outside_too = interleave(100, *kept)
    yield Row(f"{title}, kept connection", inside, outside, limit=limit, aim=aim, paired=True)
    yield Row("... noise: outside against itself", outside_too, outside, limit=limit, paired=True)


def _within(block: TrustedContext, sample: Callable[[], float], first: Callable[[], object]) -> Callable[[], float]:
    """The sample in the block, after a *first* time which opens the connection or looks at the context."""

    def sample_inside() -> float:
        with block:
            first()
            return sample()

    return sample_inside
