"""The block as a decorator: of a function, a coroutine and a generator.

    python examples/decorators.py
    python examples/decorators.py --cafile corp.crt https://host/some/file

Without a URL it downloads from a server of its own on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import urllib.request
from typing import TYPE_CHECKING

from _loopback import forget_settings, serving

from trusted_context import TrustedContext, current, trusted_context

if TYPE_CHECKING:
    from collections.abc import Iterator


def download(url: str) -> bytes:
    """Any code that downloads; of trust it knows nothing."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read()


def show(block: TrustedContext, url: str) -> None:
    """Decorate three kinds of function with *block* and run each.

    Where the CA is known beforehand, the decorator is written with it: ``@trusted_context("corp.crt")``; with what
    the machine is set up to trust, ``@trusted_context`` alone.
    """

    @block
    def fetch() -> bytes:
        return download(url)

    @block
    async def fetch_in_thread() -> bytes:
        return await asyncio.to_thread(download, url)

    @block
    def fetch_pieces() -> Iterator[bytes]:
        with urllib.request.urlopen(url, timeout=10) as response:
            while piece := response.read(1024 * 1024):
                yield piece

    print(block.describe())
    print(f"function     {len(fetch())} bytes")
    print(f"coroutine    {len(asyncio.run(fetch_in_thread()))} bytes")

    size = 0
    for piece in fetch_pieces():
        size += len(piece)
        print(f"generator    {size} bytes so far; out here, between its pieces, current() is {current()}")


def main() -> None:
    """Use the given URL, or a server on this machine."""
    parser = argparse.ArgumentParser(description="Download with decorated functions.")
    parser.add_argument("url", nargs="?", help="what to download (default: from a server on this machine)")
    parser.add_argument("--cafile", help="CA certificates to trust: a file or a folder")
    options = parser.parse_args()
    if options.url:
        show(trusted_context(options.cafile), options.url)
        return
    forget_settings()
    with tempfile.TemporaryDirectory() as folder:
        cafile = os.path.join(folder, "ca.pem")
        with serving(cafile) as url:
            show(trusted_context(cafile), url)


if __name__ == "__main__":
    main()
