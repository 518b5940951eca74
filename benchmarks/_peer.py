"""One way to trust a CA file, at work in a process of its own: ``python -I _peer.py WAY WORK BUNDLE URL COUNT``.

For each line on stdin it does the work COUNT times, and answers with the seconds of one and the resident KiB.
"""

from __future__ import annotations

import contextlib
import sys
import time
import urllib.request
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Enter = Callable[[], contextlib.AbstractContextManager[object]]

_THREADS = 32


def resident() -> int:
    """The resident memory of this process in KiB; where there is no /proc, the largest that it ever was."""
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() >> 10
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _bare(_bundle: str) -> Enter:
    """What the environment or the interpreter's own start has set."""
    return contextlib.nullcontext


def _snippet(bundle: str) -> Enter:
    """What users paste today."""
    import ssl

    @contextlib.contextmanager
    def opener_installed() -> Iterator[None]:
        context = ssl.create_default_context(cafile=bundle)
        previous = urllib.request._opener
        urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)))
        yield
        urllib.request.install_opener(previous)

    return opener_installed


def _truststore(_bundle: str) -> Enter:
    """The system's store in place of Python's."""
    import truststore

    @contextlib.contextmanager
    def injected() -> Iterator[None]:
        truststore.inject_into_ssl()
        yield
        truststore.extract_from_ssl()

    return injected


def _trusted_context(bundle: str) -> Enter:
    from trusted_context import trusted_context

    return partial(trusted_context, bundle)


_WAYS = {"bare": _bare, "snippet": _snippet, "truststore": _truststore, "trusted_context": _trusted_context}


def _fetch(url: str) -> None:
    with urllib.request.urlopen(url) as response:
        response.read()


def _once(enter: Enter, inside: Callable[[], object]) -> None:
    with enter():
        inside()


def _in_threads(url: str, each: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(lambda: [_fetch(url) for _ in range(each)]) for _ in range(_THREADS)]:
            done.result()


def _through_requests(url: str, **options: str) -> None:
    import requests

    requests.get(url, **options).raise_for_status()


def _answer(action: Callable[[], object], count: int) -> None:
    for _ in sys.stdin:
        began = time.perf_counter()
        for _ in range(count):
            action()
        print((time.perf_counter() - began) / count, resident(), flush=True)


def main() -> None:
    """Do what the command line says, as often as stdin asks for it."""
    way, work, bundle, url, count = sys.argv[1:]
    enter, fetch = _WAYS[way](bundle), partial(_fetch, url)
    if work == "entry":
        _answer(partial(_once, enter, lambda: None), int(count))
    elif work == "first":
        _answer(partial(_once, enter, fetch), int(count))
    else:
        # The opener does not reach requests: there, people paste verify=.
        options = {"verify": bundle} if way == "snippet" else {}
        with enter():
            if work == "connections":
                _answer(fetch, int(count))
            elif work == "requests":
                _answer(partial(_through_requests, url, **options), int(count))
            else:
                _answer(partial(_in_threads, url, int(count)), 1)


if __name__ == "__main__":
    main()
