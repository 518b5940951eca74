"""The exceptions that an exception carries, and whether one of them is a failure to connect that can be explained."""

from __future__ import annotations

import socket
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Chains that long are loops of a program's own; what is to be found stands near their beginning.
_MOST = 64
_LONGEST_TEXT = 65536

# Whose errors wrap a failure to connect. A bare one may be a database's, or a queue's.
_CLIENTS = frozenset(
    {"aiohttp", "botocore", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib", "urllib3"}
)
_TEXTS = ("CERTIFICATE_VERIFY_FAILED]", "Proxy Authentication Required", "Tunnel connection failed: ")


def carried(error: BaseException) -> list[BaseException]:
    """*error* and those within it, the nearest first, each once.

    Wrappers keep what they wrap as ``__cause__`` or ``__context__``, as an argument, or as an attribute: ``reason``
    (urllib, urllib3), ``_os_error`` and ``_certificate_error`` (aiohttp). No code of theirs is run.
    """
    found = [error]
    seen = {id(error)}
    for one in found:
        for inner in _within(one):
            if id(inner) not in seen and len(found) < _MOST:
                seen.add(id(inner))
                found.append(inner)
    return found


def _within(error: BaseException) -> Iterator[BaseException]:
    held = [error.__cause__, *error.args[:_MOST], *attributes(error).values(), error.__context__]
    if isinstance(error, BaseExceptionGroup):
        held += error.exceptions[:_MOST]
    # By its type: isinstance() would ask a proxy object for the class of what it stands for.
    return (inner for inner in held if issubclass(type(inner), BaseException))


def attributes(error: BaseException) -> dict[str, object]:
    """What *error* itself holds; no property is asked."""
    return dict(list(vars(error).items())[:_MOST])


def is_a_clients(held: object) -> bool:
    """Whether *held* is of a type that an HTTP client defines."""
    return type(held).__module__.partition(".")[0] in _CLIENTS


def shown(error: BaseException) -> list[BaseException]:
    """*error* and those that a traceback of it shows, with their notes."""
    found = [error]
    for one in found:
        context = None if one.__suppress_context__ else one.__context__
        held = [one.__cause__ or context]
        if isinstance(one, BaseExceptionGroup):
            held += one.exceptions[:_MOST]
        new = (inner for inner in held if inner is not None and all(inner is not known for known in found))
        found += list(new)[: _MOST - len(found)]
    return found


def texts(error: BaseException) -> Iterator[str]:
    """What *error* itself says, as far as it is plain text."""
    return (text[:_LONGEST_TEXT] for text in error.args[:_MOST] if isinstance(text, str))


def is_worth_a_look(errors: list[BaseException]) -> bool:
    """Whether one of *errors* tells of a connection that an HTTP client could not make."""
    by_a_client = any(map(is_a_clients, errors))
    return any(_tells(error, by_a_client=by_a_client) for error in errors)


def _tells(error: BaseException, *, by_a_client: bool) -> bool:
    if isinstance(error, ssl.SSLError):
        return True
    if by_a_client and isinstance(error, (ConnectionError, TimeoutError, socket.gaierror)):
        return True
    if by_a_client and is_proxys_407(error):
        return True
    return any(mark in text for text in texts(error) for mark in _TEXTS)


def is_proxys_407(error: BaseException) -> bool:
    """Whether an HTTP client's error has that status: urllib's as its code, aiohttp's as its status."""
    held = attributes(error)
    return any(isinstance(status, int) and status == 407 for status in (held.get("code"), held.get("status")))
