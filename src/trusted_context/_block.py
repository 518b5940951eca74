"""TrustedContext: the block itself, as a ``with``, an ``async with``, a decorator, or started and stopped."""

from __future__ import annotations

import functools
import os
import sys

from . import clients
from ._arguments import check_bool, check_cafile, check_insecure, check_together
from .core import handshake, live
from .core.hosts import parse_host
from .core.lock import lock
from .core.warning import warn
from .explanations import notes
from .sources import bundles, environment
from .sources.resolution import name_hosts, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType
    from typing import ParamSpec, Self, TypeAlias, TypeVar, overload

    from .core.live import Entry
    from .core.trust import Insecure, Trust
    from .sources.bundles import Material, Piece
    from .sources.resolution import Resolved

    P = ParamSpec("P")
    R = TypeVar("R")
    # Of what a block is made again, in another process.
    _Parts: TypeAlias = tuple[tuple[Piece, ...] | None, bool | None, Insecure, dict[str, bool]]


class InsecureWarning(UserWarning):
    """Verification is off for some hosts or for all, in the whole process or in one thread or task."""

    __module__ = "trusted_context"


class TrustedContext:
    """A block: see :func:`trusted_context`, which makes it. One object can be entered many times, also at once."""

    __module__ = "trusted_context"
    __slots__ = ("__weakref__", "_cafile", "_export", "_insecure", "_local", "_strict", "_system")

    def __init__(  # noqa: PLR0913  # as many as trusted_context() has
        self,
        cafile: tuple[Piece, ...] | None,
        *,
        system: bool | None,
        insecure: Insecure,
        strict: bool,
        local: bool,
        export: bool,
    ) -> None:
        self._cafile = cafile
        self._system = system
        self._insecure = insecure
        self._strict = strict
        self._local = local
        self._export = export

    def __reduce__(self) -> tuple[object, ...]:
        # Where it is unpickled a path may name nothing, or something else. A key beside the certificates stays here.
        return _rebuild, self._parts(self._cafile and tuple(map(bundles.carry, self._cafile)))

    def __copy__(self) -> TrustedContext:
        return _rebuild(*self._parts(self._cafile))

    def __deepcopy__(self, _memo: object) -> TrustedContext:
        return self.__copy__()

    def _parts(self, cafile: tuple[Piece, ...] | None) -> _Parts:
        return cafile, self._system, self._insecure, self._switches()

    def _switches(self) -> dict[str, bool]:
        return {"strict": self._strict, "local": self._local, "export": self._export}

    def __repr__(self) -> str:
        given: dict[str, object] = {}
        if self._cafile is not None:
            given["cafile"] = list(map(bundles.label, self._cafile))
        if self._insecure:
            given["insecure"] = name_hosts(self._insecure) or True
        if self._system is not None:
            given["system"] = self._system
        given |= {name: True for name, value in self._switches().items() if value}
        times = live.count(self)
        state = f" live {times} times" if times > 1 else " live" if times else ""
        return f"<trusted_context({', '.join(f'{name}={value!r}' for name, value in given.items())}){state}>"

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine, generator or async generator: its body runs in the block, nothing else does.

        Raises:
            TypeError: *function* is a class, or cannot be called.
        """
        from ._decorator import decorate

        return decorate(functools.partial(_Body, self), function)

    def __enter__(self) -> Self:
        self._enter(self._resolve_to_enter(), place=_place(1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(place_of=2, error=error)

    async def __aenter__(self) -> Self:
        self._enter(self._resolve_to_enter(), place=_place(1))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(place_of=2, error=error)

    def start(self) -> Self:
        """Enter the block until :meth:`stop`: for a notebook, where a ``with`` ends with its cell.

        Raises:
            OSError: a CA file or folder cannot be read; ``filename`` is set. Or a file to export cannot be written.
            BundleError: what is to be trusted holds no usable certificate.
            ValueError: it cannot be exported.
        """
        self._enter(self._resolve_to_enter())
        return self

    def stop(self) -> None:
        """End the newest entering of this block that has not ended; without one, do nothing."""
        self._leave()

    def ssl_context(self, host: str | None = None) -> ssl.SSLContext:
        """A new context that verifies as this block does, yours alone: for any API that takes one.

        Args:
            host: the server's name, as ``"host"`` or ``"host:port"``. Only for a host that ``insecure`` names is the
                context an unverified one; without *host* it verifies, unless ``insecure=True``.

        Raises:
            OSError: a CA file or folder cannot be read; ``filename`` is set.
            BundleError: what is to be trusted holds no usable certificate.
            ValueError: *host* is not a host.
        """
        name, port = (None, None) if host is None else parse_host(host)
        return self._in_force().trust.new_context(name, port)

    def environment(self) -> dict[str, str]:
        """A copy of ``os.environ`` that makes a child process trust what this block does: ``subprocess.run(env=...)``.

        Every variable by which a program is known to be told its bundle (``PIP_CERT``, ``REQUESTS_CA_BUNDLE``,
        ``SSL_CERT_FILE``, ``GIT_SSL_CAINFO`` and the others that the README lists) names one PEM file: the user's own
        where it can serve, else one of mode 0600 in a folder of this user's for temporary files, which stays there.
        ``SSL_CERT_DIR`` is not set. Some programs trust their own CAs as well. A block that is insecure, for every host
        or for some, gives the user's own environment.

        Raises:
            OSError: a CA file or folder cannot be read, or the file cannot be written.
            BundleError: what is to be trusted holds no usable certificate.
            ValueError: it is, on Windows and macOS, the system's store, which is no file.
        """
        return environment.for_child(self._in_force().file())

    def describe(self) -> str:
        """One line that says what is trusted, where that was found, how many CAs there are, and what is off.

        Raises:
            OSError: a CA file or folder cannot be read; ``filename`` is set.
            BundleError: what is to be trusted holds no usable certificate.
        """
        return self._in_force().describe()

    def _in_force(self) -> Resolved:
        entry = live.find(self, None)
        return entry.resolved if entry else self._resolve()

    def _resolve(self) -> Resolved:
        return resolve(self._cafile, system=self._system, insecure=self._insecure, strict=self._strict)

    def _resolve_to_enter(self) -> Resolved:
        """What the block trusts from now on, with the warnings that entering it deserves."""
        resolved = self._resolve()
        if self._export and not self._local:
            resolved.exported = resolved.file()
        for problem in resolved.problems():
            warn(problem, UserWarning)
        if self._insecure:
            warn(_describe_insecurity(self._insecure, local=self._local), InsecureWarning)
        return resolved

    def _enter(self, resolved: Resolved, *, place: int | None = None) -> Entry:
        entry = live.Entry(self, resolved, unverified=self._insecure, local=self._local, place=place)
        try:
            with lock:
                live.enter(entry)
                clients.install()
                if resolved.exported is not None:
                    environment.export(entry, resolved.exported)
            return entry  # noqa: TRY300  # so that Ctrl-C at this line, too, finds the way out below
        except BaseException:
            _leave(entry)
            raise

    def _leave(
        self, entry: Entry | None = None, *, place_of: int | None = None, error: BaseException | None = None
    ) -> None:
        try:
            with lock:
                entry = live.find(self, place_of and _place(place_of))
            _leave(entry)
        except BaseException:  # Ctrl-C before the block was left: it is left before that is heeded
            _leave(entry or live.find(self, place_of and _place(place_of)))
            raise
        notes.annotate(error, None if entry is None else entry.resolved)


class _Body:
    """The block around one run of a decorated body: what it trusts is found once, however often it is entered."""

    def __init__(self, block: TrustedContext) -> None:
        self._block = block
        self._resolved: Resolved | None = None
        self._entry: Entry | None = None

    def __enter__(self) -> None:
        if self._resolved is None:
            self._resolved = self._block._resolve_to_enter()
        self._entry = self._block._enter(self._resolved)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self._entry)
        notes.annotate(error, self._resolved)


if TYPE_CHECKING:
    # A function fits both; at run time too it is told from CA material by being callable.
    @overload
    def trusted_context(cafile: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def trusted_context(
        cafile: Material | Iterable[Material] | None = None,
        *,
        system: bool | None = None,
        insecure: bool | Collection[str] = False,
        strict: bool = False,
        local: bool = False,
        export: bool = False,
    ) -> TrustedContext: ...


def trusted_context(  # noqa: PLR0913  # keywords, each one a decision of the caller's
    cafile: object = None,
    *,
    system: bool | None = None,
    insecure: bool | Collection[str] = False,
    strict: bool = False,
    local: bool = False,
    export: bool = False,
) -> object:
    """Make a block in which every HTTPS download of this process trusts what these arguments say.

    It is a context manager, an async context manager and a decorator, can be entered again and pickled, and has
    :meth:`~TrustedContext.start` and :meth:`~TrustedContext.stop` for notebooks. After it the process is as it was.
    A bare ``@trusted_context`` decorates with the defaults. Pickled, it takes along the certificates that *cafile*
    holds at that moment; the path is but their name where it is unpickled. Pickling raises what entering would.

    With neither *cafile* nor *system* it trusts what the machine is set up to trust: ``REQUESTS_CA_BUNDLE``, else
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else ``CURL_CA_BUNDLE``, else the operating system's store, else, where
    that is empty, certifi's bundle.

    Args:
        cafile: CA certificates to trust, and only these: a path to a file or folder, PEM text, ``bytes``, or an
            iterable of them. PEM, DER or PKCS#7, whatever a file's ending says. Any certificate among them may end
            a chain, also an intermediate's or the server's own (RFC 5280, 6.1).
        system: ``True`` for the operating system's store, alone or together with *cafile*; ``False`` for never.
        insecure: ``True`` turns verification off for every host, a collection of ``"host"`` or ``"host:port"`` for
            exactly those. Connections are still encrypted, with TLS 1.2 or newer (RFC 8996), but to nobody knows whom.
        strict: ``True`` adds the RFC 5280 checks that Python 3.13 made its default (``VERIFY_X509_STRICT``) and that
            many corporate CAs fail.
        local: ``True`` limits the block to this thread or async task and what is copied from its context.
        export: ``True`` sets the variables of :meth:`~TrustedContext.environment` in this process for as long as the
            block lives, so that child processes and native code follow. An insecure or a local block exports nothing.

    Raises:
        TypeError: an argument of the wrong type, so that nothing but ``True`` or a host turns verification off.
        ValueError: arguments that contradict each other, or a host that is none.

    Entering the block, not making it, raises:
        OSError: a CA file or folder cannot be read; ``filename`` is set.
        BundleError: what is to be trusted holds no usable certificate; it says what was there instead.
        RuntimeError: the standard library is not as it should be; nothing was changed.
        ValueError: ``export=True`` for the system's store of Windows or macOS, which is no file.
    """
    hosts = check_insecure(insecure)
    if system is not None:
        check_bool("system", system)
    check_bool("strict", strict)
    check_bool("local", local)
    check_bool("export", export)
    if callable(cafile):
        if system is not None or hosts or strict or local or export:
            raise TypeError("a function and arguments together: decorate with @trusted_context(...) instead")
        return trusted_context()(cafile)
    check_together(cafile, system, hosts, strict)
    material = check_cafile(cafile)
    return TrustedContext(material, system=system, insecure=hosts, strict=strict, local=local, export=export)


def current() -> TrustedContext | None:
    """The block that governs a connection made here and now, or ``None``."""
    entry = live.governing()
    return entry.owner if entry else None


def _rebuild(
    cafile: tuple[Piece, ...] | None, system: bool | None, insecure: Insecure, switches: dict[str, bool]
) -> TrustedContext:
    return TrustedContext(cafile, system=system, insecure=insecure, **switches)


def _leave(entry: Entry | None) -> None:
    if entry is None:
        return
    try:
        replaced, variables = _end(entry)
    except BaseException:  # Ctrl-C between two of its lines: what is left of it is done before that is heeded
        _end(entry)
        raise
    for name in replaced:
        warn(
            f"{name} was replaced by other code while a trusted_context block was live, and is left as that code set "
            "it; it works as before the block, but that code keeps the original only through ours",
            RuntimeWarning,
        )
    for name in variables:
        warn(
            f"the environment variable {name} was changed by other code while a trusted_context block exported it, and "
            "is left as that code set it",
            RuntimeWarning,
        )


def _end(entry: Entry) -> tuple[list[str], list[str]]:
    """End the entry, or what an interrupted call left of that; name the attributes and variables others replaced."""
    with lock:
        live.leave(entry)
        variables = environment.withdraw(entry)
        return [] if live.anything_live() else clients.restore(), variables


def _place(callers: int) -> int | None:
    """Which ``with`` statement that many callers above is: both its ends run in one frame, be it in another thread."""
    try:
        return id(sys._getframe(callers + 1))
    except ValueError:  # called from C, by atexit for one
        return None


def _describe_insecurity(insecure: Insecure, *, local: bool) -> str:
    hosts = ", ".join(name_hosts(insecure)) or "every host"
    reach = "in this thread or task alone" if local else "in the whole process (local=True limits it to this thread)"
    return f"verification is off for {hosts}, {reach}: whoever is in between can read and change what is sent"


def _words_of(trust: Trust) -> str | None:
    """Where *trust* came from, in the words of the newest live block that has it."""
    return next((entry.resolved.summary for entry in live.all_live() if entry.trust == trust), None)


handshake.describe_trusts_by(_words_of)


def _after_fork_in_child() -> None:
    live.keep_own()
    for entry in environment.exporting():
        if isinstance(entry, live.Entry) and not entry.live:
            environment.withdraw(entry)
    if not live.anything_live():
        clients.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
