"""The exceptions within an exception, and whether one of them is a failure to connect that can be explained."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from itertools import islice

from ..clients.records import CLIENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType

# Chains that long are loops of a program's own; what is to be found stands near their beginning.
_MOST = 64
_LONGEST_TEXT = 65536
_MOST_TEXTS = 8
# Recursive programs have tracebacks of thousands of frames.
_LONGEST_TRACEBACK, _MOST_FRAMES = 10_000, 200

# The HTTP clients. Their errors wrap a failure to connect; without one of them it may be a database's, or a queue's.
# The refusal of a downgrade to plain http is an error of urllib's that is defined here.
_CLIENTS = frozenset(package for client in CLIENTS for package in client.errors) | {"trusted_context"}
_PROXYS_WORDS = ("Proxy Authentication Required", "Tunnel connection failed: ")
# What socket and ssl say of a connection that timed out, at the end of their message.
_TIMED_OUT = "timed out"


def carried(error: BaseException) -> list[BaseException]:
    """*error* and those within it, the nearest first, each once.

    Wrappers keep what they wrap as ``__cause__`` or ``__context__``, as an argument, or as an attribute: ``reason``
    (urllib, urllib3), ``_os_error`` and ``_certificate_error`` (aiohttp). No code of theirs is run.
    """
    found = [error]
    seen = {id(error)}
    for one in found:
        for inner in (*_wrapped(one), *_handled(one)):
            if id(inner) not in seen and len(found) < _MOST:
                seen.add(id(inner))
                found.append(inner)
    return found


def outwards(failure: BaseException, errors: list[BaseException]) -> Iterator[BaseException]:
    """*failure*, then those of *errors* that wrap it, the nearest first.

    An error that was raised while another was handled does not wrap it: it may be another host's.
    """
    wrapped = [(one, {id(inner) for inner in _wrapped(one)}) for one in errors]
    found = [failure]
    for inner in found:
        yield inner
        found += [one for one, held in wrapped if id(inner) in held and all(one is not known for known in found)]


def within(error: BaseException) -> list[BaseException]:
    """*error* and those that it wraps, each once; none that was being handled when it was raised."""
    found = [error]
    for one in found:
        new = (inner for inner in _wrapped(one) if all(inner is not known for known in found))
        found += list(new)[: _MOST - len(found)]
    return found


def _wrapped(error: BaseException) -> list[BaseException]:
    held = [error.__cause__, *error.args[:_MOST], *attributes(error).values()]
    if isinstance(error, BaseExceptionGroup):
        held += error.exceptions[:_MOST]
    return _exceptions(held)


def _handled(error: BaseException) -> list[BaseException]:
    return _exceptions([error.__context__])


def _exceptions(held: Iterable[object]) -> list[BaseException]:
    # By their type: isinstance() would ask a proxy object for the class of what it stands for.
    return [one for one in held if issubclass(type(one), BaseException)]  # type: ignore[misc]  # a type's subclass


def frames(error: BaseException) -> Iterable[FrameType]:
    """The frames that *error* passed through, the outermost first; of very many the innermost."""
    return deque((traceback.tb_frame for traceback in islice(_tracebacks(error), _LONGEST_TRACEBACK)), _MOST_FRAMES)


def _tracebacks(error: BaseException) -> Iterator[TracebackType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def module_of(frame: FrameType) -> str:
    """The name of the module whose code runs in *frame*."""
    return str(frame.f_globals.get("__name__", ""))


def host_of_handshake(error: BaseException) -> str | None:
    """The host that Python's ``ssl`` was asked for in the handshake that raised *error*, by its own frames."""
    for frame in frames(error):
        name = module_of(frame)
        if name == "ssl":
            host = frame.f_locals.get("server_hostname")
        elif name == "asyncio.sslproto":
            host = getattr(frame.f_locals.get("self"), "_server_hostname", None)
        else:
            continue
        if isinstance(host, str):
            return host
    return None


def attributes(error: BaseException) -> dict[str, object]:
    """What *error* itself holds; no property is asked."""
    return dict(list(vars(error).items())[:_MOST])


def package_of(held: object) -> str:
    """The top-level package that defines the type of *held*."""
    return str(type(held).__module__).partition(".")[0]


def is_a_clients(held: object) -> bool:
    """Whether *held* is of a type that an HTTP client defines."""
    return package_of(held) in _CLIENTS


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


def texts(error: BaseException) -> list[str]:
    """What *error* itself says, as far as it is plain text."""
    held = [text for text in error.args[:_MOST] if isinstance(text, str)]
    if package_of(error) == "grpc":
        # A failed call has no arguments of text: what happened stands in its state.
        state = vars(error).get("_state")
        details = vars(state).get("details") if package_of(state) == "grpc" and hasattr(state, "__dict__") else None
        held += [details] if isinstance(details, str) else []
    return [text[:_LONGEST_TEXT] for text in held[:_MOST_TEXTS]]


def is_worth_a_look(errors: list[BaseException]) -> bool:
    """Whether one of *errors* tells of a connection that an HTTP client could not make."""
    by_a_client = any(map(is_a_clients, errors))
    return any(_is_worth_a_look(error, by_a_client=by_a_client) for error in errors)


def _is_worth_a_look(error: BaseException, *, by_a_client: bool) -> bool:
    if isinstance(error, ssl.SSLError):
        return True
    if by_a_client and (isinstance(error, socket.gaierror) or is_of_the_network(error, by_a_client=True)):
        return True
    if is_proxys_407(error):
        return True
    said = texts(error)
    if not said:
        return False
    from .table import said_in

    return any(said_in(text) or any(words in text for words in _PROXYS_WORDS) for text in said)


def is_of_the_network(error: BaseException, *, by_a_client: bool) -> bool:
    """Whether *error* is a connection's that broke or got no answer.

    Many programs raise ``ConnectionError`` and ``TimeoutError`` for reasons of their own. The operating system's have a
    number, and those of Python's sockets the same few words; of others only what an HTTP client wraps counts.

    Args:
        error: any exception.
        by_a_client: whether an error of an HTTP client carries it.
    """
    if not isinstance(error, (ConnectionError, TimeoutError)) or type(error) is ConnectionError:
        return False
    if by_a_client or error.errno is not None or package_of(error) == "http":
        return True
    return isinstance(error, TimeoutError) and any(text.endswith(_TIMED_OUT) for text in texts(error))


def is_proxys_407(error: BaseException) -> bool:
    """Whether *error* is an HTTP client's with that status: urllib's as its code, aiohttp's as its status."""
    if not is_a_clients(error):
        return False
    held = attributes(error)
    return any(isinstance(status, int) and status == 407 for status in (held.get("code"), held.get("status")))
