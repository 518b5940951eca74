"""What callers pass, checked and brought into one form: wrong types and contradictions end here."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from .core.hosts import parse_host
from .core.redaction import quote_url, show_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.trust import Insecure
    from .sources.bundles import Material

_CAFILE_FORMS = "a path, PEM text, bytes, or an iterable of them"
_INSECURE_FORMS = 'True, False, or a collection of hosts such as {"host", "host:port"}'


def check_cafile(cafile: object) -> tuple[Material, ...] | None:
    """The pieces of CA material; an iterator is used up here, so that the block can be entered again.

    Raises:
        TypeError: it is none of the forms that ``cafile`` takes.
    """
    if cafile is None:
        return None
    if isinstance(cafile, (str, bytes, bytearray, memoryview, os.PathLike)):
        return (_check_piece(cafile),)
    if hasattr(cafile, "read"):
        raise TypeError("cafile takes an open file's path, or its content as cafile=file.read(), not the file itself")
    if isinstance(cafile, Iterable) and not isinstance(cafile, Mapping):
        return tuple(map(_check_piece, cafile))
    raise TypeError(f"cafile takes {_CAFILE_FORMS}, not {show_kind(cafile)}")


def _check_piece(piece: object) -> Material:
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    if isinstance(piece, (str, bytes)):
        return piece
    if isinstance(piece, os.PathLike):
        # Kept as what it is: as text, a name with a line break would pass for PEM.
        return piece if isinstance(os.fspath(piece), str) else os.fsdecode(piece)
    raise TypeError(f"cafile takes {_CAFILE_FORMS}; one of them is {show_kind(piece)}")


def check_insecure(insecure: object) -> Insecure:
    """``True``, ``False``, or the hosts in the form they are compared in.

    Raises:
        TypeError: anything else, so that ``"false"`` or ``1`` never turns verification off.
        ValueError: one of the hosts is not a host.
    """
    if isinstance(insecure, bool):
        return insecure
    if isinstance(insecure, str):
        raise TypeError(f"insecure takes {_INSECURE_FORMS}: write insecure={{{_example(insecure)}}} for that host")
    if isinstance(insecure, (bytes, Mapping)) or not isinstance(insecure, Collection):
        raise TypeError(f"insecure takes {_INSECURE_FORMS}, not {show_kind(insecure)}")
    for host in insecure:
        if not isinstance(host, str):
            raise TypeError(f"insecure takes {_INSECURE_FORMS}; one of the hosts is {show_kind(host)}")
    return frozenset(map(parse_host, insecure)) or False


def check_bool(name: str, value: object) -> bool:
    """*value*, if it is a bool.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} takes True or False, not {show_kind(value)}")
    return value


def check_together(cafile: object, system: bool | None, insecure: Insecure, strict: bool) -> None:
    """Refuse arguments of which one would make another meaningless.

    Raises:
        ValueError: ``insecure=True`` beside something to verify by.
    """
    beside = {"cafile": cafile is not None, "system=True": system is True, "strict=True": strict}
    named = [name for name, given in beside.items() if given]
    if insecure is True and named:
        raise ValueError(
            f"insecure=True verifies nothing, so {' and '.join(named)} would have no meaning: leave one out, or name "
            'the hosts that are not to be verified, as insecure={"host"}'
        )


def _example(host: str) -> str:
    shown = quote_url(host)
    return shown if shown == repr(host) else '"host"'
