"""The kinds of trust that a check tries, each with the line of code that gives it."""

from __future__ import annotations

import os

from ..core.redaction import show_path
from ..core.trust import Trust
from ..sources import bundles, environment, resolution
from ..sources.bundles import Bundle
from ..sources.stores import Source
from . import surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sources.bundles import Material
    from .search import Found


class Candidate:
    """One kind of trust.

    Attributes:
        name: ``"cafile"``, ``"environment"``, ``"system"``, ``"certifi"``, or ``"found"`` for a searched one.
        title: what it is, in a few words.
        arguments: what ``trusted_context(...)`` is called with for it.
        options: what ``trusted-context run`` is called with for it; ``None`` where it cannot be named there.
        trust: what it trusts; ``None`` where there is nothing.
        file: the one file that it is read from, by its absolute path; ``None`` where it is none, or several.
        export: the shell command that makes the file which *arguments* name; ``None`` where that is there.
        problem: why there is nothing.
        remarks: what its owner should know of it, though it is usable.
    """

    __slots__ = ("arguments", "export", "file", "name", "options", "problem", "remarks", "title", "trust")

    def __init__(  # noqa: PLR0913  # a value is made of all its parts
        self,
        name: str,
        title: str,
        arguments: str,
        options: tuple[str, ...] | None,
        *,
        source: Source | None = None,
        problem: str | None = None,
    ) -> None:
        self.name: str = name
        self.title: str = title
        self.arguments: str = arguments
        self.options: tuple[str, ...] | None = options
        self.problem: str | None = problem
        self.export: str | None = None
        self.remarks: tuple[str, ...] = ()
        self.file: str | None = source.file if source else None
        self.trust: Trust | None = None
        if source:
            self.trust = Trust(source.bundle.certificates, folder=source.folder, native=source.native)

    @property
    def line(self) -> str:
        """The line of code that begins a block with this trust."""
        return f"with trusted_context({self.arguments}):"


def of_found(found: Found) -> Candidate:
    """What the search found, as a kind of trust."""
    bundle = Bundle(dict.fromkeys(found.certificates, found.title))
    source = Source(found.title, bundle, file=os.path.abspath(found.path))
    arguments, options = _as_arguments([found.path])
    candidate = Candidate("found", found.title, arguments, options, source=source)
    candidate.export = found.export
    return candidate


def find(material: tuple[Material, ...] | None, system: Source | None, certifi: Source | None) -> list[Candidate]:
    """All kinds of trust that there are on this machine, the one to prefer first.

    Raises:
        OSError: a CA file or folder of *material* cannot be read; ``filename`` is set.
        BundleError: *material* holds no usable certificate.
    """
    given = [] if material is None else [_from_material(material)]
    environment = list(_from_environment())
    of_system = Candidate("system", "the operating system's store", "system=True", ("--system",), source=system)
    if system is None:
        of_system.problem = "it holds no CA: install the package ca-certificates"
    # With nothing else on the machine this is what trusted_context() comes to by itself.
    arguments = "cafile=certifi.where()" if environment or system else ""
    options = _as_options([certifi.file] if arguments and certifi and certifi.file else [])
    of_certifi = Candidate("certifi", "certifi", arguments, options, source=certifi)
    if certifi is None:
        of_certifi.problem = "it is not installed, or its file cannot be read"
    return [*given, *environment[:1], of_system, *environment[1:], of_certifi]


def _from_material(material: tuple[Material, ...]) -> Candidate:
    # Read once: what was given may be a pipe.
    resolved = resolution.resolve(material, system=None, insecure=False, strict=False)
    source = resolved.source
    assert source
    if any(isinstance(piece, bytes) or _is_content(piece) for piece in material):
        arguments, options = _UNNAMED
    else:
        arguments, options = _as_arguments([str(os.fspath(piece)) for piece in material])
    candidate = Candidate("cafile", source.description, arguments, options, source=source)
    candidate.remarks = tuple(resolved.problems())
    return candidate


def _is_content(piece: Material) -> bool:
    return isinstance(piece, str) and bundles.is_text(piece)


def _from_environment() -> Iterator[Candidate]:
    first = True
    for names in environment.PRECEDENCE:
        values = {name: value for name in names if (value := environment.value(name))}
        if not values:
            continue
        problem, source = surroundings.environment_store(names)
        arguments, options = ("", ()) if first else _as_arguments(list(_paths(values)))
        yield Candidate(
            "environment",
            " and ".join(f"{name}={show_path(value)}" for name, value in values.items()),
            arguments,
            options,
            source=source,
            problem=problem,
        )
        first = False


def _paths(values: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if name == environment.SSL_CERT_DIR:
            # A folder in the list that is gone is passed over where the variable is read, and is an error as cafile.
            yield from (folder for folder in value.split(os.pathsep) if surroundings.read(name, folder)[0])
        else:
            yield value


# What a program holds in a variable, or may not be shown, has a name there.
_UNNAMED = ("cafile=cafile", None)


def _as_arguments(paths: list[str]) -> tuple[str, tuple[str, ...] | None]:
    """How these files are named to ``trusted_context(...)`` and to ``trusted-context run``."""
    if any(show_path(path) != path for path in paths):
        return _UNNAMED
    return f"cafile={(paths[0] if len(paths) == 1 else paths)!r}", _as_options(paths)


def _as_options(paths: list[str]) -> tuple[str, ...]:
    return tuple(word for path in paths for word in ("--cafile", path))
