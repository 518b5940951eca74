"""Failures of clients that do not follow the block around them: what they failed by is not what the block trusts."""

from __future__ import annotations

from itertools import islice

from ..clients.records import CLIENTS
from ..core import live
from . import anchors, table, walk
from .failure import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.certificate import Certificate
    from ..core.trust import Trust
    from ..sources.resolution import Resolved
    from .failure import Failure

_ATTRIBUTE = "_trusted_context_around"


class Around:
    """The block around a failure, as far as it matters to a client that it does not reach.

    Args:
        summary: what it trusts, in words.
        exports: whether it exports that to native code.
        insecure: whether there is nothing that it could export, since it leaves something unverified.
        trust: what it trusts; ``None`` where that is not known any more.
    """

    __slots__ = ("exports", "insecure", "summary", "trust")

    def __init__(self, summary: str, *, exports: bool, insecure: bool, trust: Trust | None) -> None:
        self.summary: str = summary
        self.exports: bool = exports
        self.insecure: bool = insecure
        self.trust: Trust | None = trust

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are pickled with all they hold; contexts, which a trust may keep, cannot be.
        return _rebuild, (self.summary, self.exports, self.insecure)


def _rebuild(summary: str, exports: bool, insecure: bool) -> Around:
    return Around(summary, exports=exports, insecure=insecure, trust=None)


def _around(resolved: Resolved) -> Around:
    trust = resolved.trust
    return Around(
        resolved.summary,
        exports=resolved.exported is not None,
        insecure=bool(trust.insecure),
        trust=trust,
    )


def keep(errors: list[BaseException], left: Resolved) -> None:
    """Keep with each of *errors* the block that it left first and those around it, for when it is explained."""
    blocks = (_around(left), *_live())
    for error in errors:
        vars(error).setdefault(_ATTRIBUTE, blocks)


def around(error: BaseException) -> tuple[Around, ...]:
    """The block that *error* left first and those around it, else those around this call; the innermost first."""
    kept = vars(error).get(_ATTRIBUTE)
    return kept if isinstance(kept, tuple) else _live()


def _live() -> tuple[Around, ...]:
    found = dict.fromkeys(filter(None, (live.governing(), *reversed(tuple(live.surrounding())))))
    return tuple(_around(entry.resolved) for entry in islice(found, _MOST_BLOCKS))


_MOST_BLOCKS = 8


def trusts(block: Around, path: tuple[Certificate, ...]) -> bool:
    """Whether *block* trusts what issued the certificates of *path*, going by their names, or one of them itself."""
    if block.trust is None or not path:
        return False
    held = anchors.of_trust(block.trust)
    # Another root may bear the same name: what was sent is known by all its bytes, and its issuer by its name alone.
    return any(link.der == anchor.der for link in path for anchor in held) or (
        not path[-1].self_issued and any(map(path[-1].names_as_issuer, held))
    )


class _Native:
    """How a client with TLS of its own is told what to trust.

    Args:
        variable: the environment variable that it reads a CA file's path from; ``None`` where it reads none.
        once: whether it reads that once in a process.
        option: what it takes instead, where it reads no variable.
    """

    __slots__ = ("once", "option", "variable")

    def __init__(self, variable: str | None, *, once: bool = False, option: str = "") -> None:
        self.variable = variable
        self.once = once
        self.option = option


# Tried with the newest version of each on Linux. pycurl and rasterio bring a libcurl that reads no variable by itself.
_NATIVE = {
    "curl_cffi": _Native("CURL_CA_BUNDLE"),
    "grpc": _Native("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", once=True),
    "hf_xet": _Native("SSL_CERT_FILE"),
    "polars": _Native("SSL_CERT_FILE", once=True),
    "primp": _Native("SSL_CERT_FILE"),
    "pyarrow": _Native("SSL_CERT_FILE", once=True),
    "pycurl": _Native(None, option="handle.setopt(pycurl.CAINFO, ca_file)"),
    "rasterio": _Native("GDAL_CURL_CA_BUNDLE"),
    "wandb": _Native("SSL_CERT_FILE", once=True),
}
# The argument by which a client of Python's ssl is told what to trust.
_ARGUMENTS = {package: argument for client in CLIENTS for package, argument in client.argument.items()}
# These stand beneath a client and are not what its user calls it by.
_BENEATH = {package: client for each in CLIENTS for package, client in each.beneath.items()}


def is_native(client: str | None) -> bool:
    """Whether that client has TLS of its own, of which Python's ``ssl`` knows nothing."""
    return client in _NATIVE


def client_of(failure: BaseException, errors: list[BaseException]) -> str | None:
    """The package that made the connection which failed, where the errors or their traceback tell it."""
    raised_by = [walk.package_of(one) for one in errors]
    called = list(_called(failure))
    known = next((name for name in (*raised_by, *called) if name in _NATIVE), None)
    if known is None and "huggingface_hub" in called and not any(map(walk.is_a_clients, errors)):
        known = "hf_xet"  # which raises nothing but RuntimeErrors
    found = known or next((name for name in (*raised_by, *called) if name in _ARGUMENTS or name in _PYTHONS), None)
    return _BENEATH.get(found, found) if found else None


_PYTHONS = frozenset(package for client in CLIENTS for package in client.errors)


def _called(error: BaseException) -> Iterator[str]:
    """The packages whose functions *error* passed through, the innermost first."""
    names = [walk.module_of(frame).partition(".")[0] for frame in walk.frames(error)]
    return reversed(names)


def needs_other_trust(failure: Failure) -> bool:
    """Whether other CAs would cure *failure*, going by its code; the certificate itself is not at fault."""
    name = table.of_code(failure.code)
    return table.KINDS[name].cure is not None and name != "strict"


def not_covered(failure: Failure, block: Around, client: str | None) -> Cause | None:
    """The cause of a failure by other trust than that of the *block* around it, where a CA file is what would cure it.

    ``None`` where the client follows the block, or the certificate itself is at fault.
    """
    if not needs_other_trust(failure):
        return None
    native = _NATIVE.get(client or "")
    if native and block.exports and native.variable and not native.once:
        return None
    who = client or "the client"
    known = trusts(block, failure.path)
    words = table.WORDS.get(failure.code or 0, failure.words)
    beside = ", though the block trusts what signed it" if known else ""
    return Cause(
        "not-covered",
        f"{failure.server}: {who} does not follow this block, and refused the certificate{beside}: {words}",
        _likely(who, native),
        _next_for_native(who, native, block) if native else _next_for_python(who),
    )


def describe(block: Around, client: str | None) -> str:
    """What the failing client trusted, and what the block trusts that it does not follow."""
    if is_native(client):
        return f"what {client} finds by itself; this block trusts {block.summary}"
    return f"the caller's own choice, or that of {client or 'the client'}; this block trusts {block.summary}"


def _likely(who: str, native: _Native | None) -> str:
    if native:
        return f"{who} is native code with TLS of its own, which a block reaches by environment variables alone"
    return "the caller chose what to trust, or the client brings its own choice: a block leaves both alone"


def _next_for_python(who: str) -> str:
    argument = _ARGUMENTS.get(who)
    if argument:
        return f"leave out {argument}=, and the block decides; or pass {argument}=block.ssl_context()"
    if who in _PYTHONS:
        return "leave out verify=, and the block decides"
    return "pass block.ssl_context() to the client, by whatever argument takes an ssl.SSLContext"


def _next_for_native(who: str, native: _Native, block: Around) -> str:
    if native.variable is None:
        return f"name the CA file to {who} itself: {native.option}"
    if block.insecure:
        return f"{who} follows no insecure block: give its CA as cafile=, and trusted_context(..., export=True)"
    if block.exports:
        return (
            f"enter the block before {who} first connects in this process, since it reads {native.variable} once; if "
            "that was done, trusted-context check HOST tells which CA is missing"
        )
    when = f", entered before {who} first connects, since it reads that once" if native.once else ""
    return f"trusted_context(..., export=True){when}: it names the CAs to {who} in {native.variable}"
