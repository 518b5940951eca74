"""TrustedContext: the block itself, as a ``with``, an ``async with``, a decorator, or started and stopped."""

from __future__ import annotations

import functools
import ssl  # noqa: TC003  # for typing.get_type_hints(), as what follows
import sys

# typing.get_type_hints() looks up here what the public annotations name. All of it is imported at any rate.
from collections.abc import Callable, Collection, Iterable  # noqa: TC003  # as said
from types import TracebackType  # noqa: TC003  # as said

from . import _entering as entering
from ._arguments import check_bool, check_cafile, check_insecure, check_together
from .core import live
from .core.hosts import parse_host
from .core.lock import lock
from .core.trust import Insecure  # noqa: TC001  # as said
from .core.warning import warn
from .explanations import notes
from .sources import bundles, environment
from .sources.bundles import Material, Piece  # noqa: TC001  # as said
from .sources.resolution import name_hosts, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ParamSpec, TypeAlias, TypeVar, overload

    from .core.live import Entry
    from .sources.resolution import Resolved

    P = ParamSpec("P")
    R = TypeVar("R")
    # Of what a block is made again, in another process.
    _Parts: TypeAlias = tuple[tuple[Piece, ...] | None, bool | None, Insecure, dict[str, bool]]
else:
    # The same for annotations that are evaluated: importing typing would cost more than all else here.
    P, R = ..., object


class InsecureWarning(UserWarning):
    """Verification is off for some hosts or for all, in the whole process or in one thread or task."""

    __module__ = "trusted_context"


class TrustedContext:
    """A block: see :func:`trusted_context`, which makes it. One object can be entered many times, also at once."""

    __module__ = "trusted_context"
    __slots__ = ("__weakref__", "_cafile", "_export", "_insecure", "_local", "_renewed", "_strict", "_system")

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
        self._renewed: Resolved | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # Where it is unpickled a path may name nothing, or something else. A key beside the certificates stays here.
        return rebuild, self._parts(self._cafile and tuple(map(bundles.carry, self._cafile)))

    def __copy__(self) -> TrustedContext:
        return rebuild(*self._parts(self._cafile))

    def __deepcopy__(self, _memo: object) -> TrustedContext:
        return self.__copy__()

    def _parts_for_child(self) -> _Parts:
        """What :func:`rebuild` takes to make the same block in a child process of this machine, where its paths are."""
        material = self._cafile
        return self._parts(material and tuple(one if bundles.is_place(one) else bundles.carry(one) for one in material))

    def _parts(self, cafile: tuple[Piece, ...] | None) -> _Parts:
        return cafile, self._system, self._insecure, self._switches()

    def _switches(self) -> dict[str, bool]:
        return {"strict": self._strict, "local": self._local, "export": self._export}

    def __repr__(self) -> str:
        times = live.count(self)
        state = f" live {times} times" if times > 1 else " live" if times else ""
        return f"<trusted_context({', '.join(f'{name}={value!r}' for name, value in self._given().items())}){state}>"

    def _repr_html_(self) -> str:
        from . import _html

        entry = live.find(self, None)
        return _html.of_block(self._given(), entry.resolved.describe() if entry else "not live")

    def _given(self) -> dict[str, object]:
        """The arguments that say something, CA material by its name alone."""
        given: dict[str, object] = {}
        if self._cafile is not None:
            given["cafile"] = list(map(bundles.label, self._cafile))
        if self._insecure:
            given["insecure"] = name_hosts(self._insecure) or True
        if self._system is not None:
            given["system"] = self._system
        given |= {name: True for name, value in self._switches().items() if value}
        return given

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine, generator or async generator: its body runs in the block, nothing else does.

        Raises:
            TypeError: *function* is a class, or cannot be called.
        """
        from ._decorator import decorate

        return decorate(functools.partial(_Body, self), function)

    def __enter__(self) -> TrustedContext:  # noqa: PYI034  # evaluated, Self would have to be imported from typing
        __tracebackhide__ = True
        self._enter(self._resolve_to_enter(), place=entering.place(1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(place_of=2, error=error)

    async def __aenter__(self) -> TrustedContext:  # noqa: PYI034  # as above
        __tracebackhide__ = True
        self._enter(self._resolve_to_enter(), place=entering.place(1))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(place_of=2, error=error)

    def start(self) -> TrustedContext:
        """Enter the block until :meth:`stop`: for a notebook, where a ``with`` ends with its cell.

        In IPython a cell that is run again replaces what it started before.

        Raises:
            OSError: a CA file or folder cannot be read; ``filename`` is set. Or a file to export cannot be written.
            BundleError: what is to be trusted holds no usable certificate.
            ValueError: it cannot be exported.
        """
        __tracebackhide__ = True
        if "IPython" not in sys.modules:
            self._enter(self._resolve_to_enter())
            return self
        from . import _cells

        _cells.note(enter_instead_of(_cells.started_before(), self))
        return self

    def refresh(self) -> None:
        """Read anew what this block trusts, such as a CA file that was exchanged, for all that entered it.

        Every connection is verified by the old certificates or by the new ones. What fails leaves the old ones trusted.

        Raises:
            OSError: a CA file or folder cannot be read; ``filename`` is set. Or a file to export cannot be written.
            BundleError: what is to be trusted holds no usable certificate.
            ValueError: it cannot be exported.
        """
        __tracebackhide__ = True
        resolved = self._resolve_with_file()
        with lock:
            self._renewed = resolved
            for entry in live.all_live():
                if entry.owner is self:
                    entry.renew(resolved)
                    if resolved.exported is not None:
                        environment.renew(entry, resolved.exported)

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
        return self._in_force().verifier.new(name, port)

    def environment(self) -> dict[str, str]:
        """A copy of ``os.environ`` that makes a child process trust what this block does: ``subprocess.run(env=...)``.

        Every variable by which a program is known to be told its bundle (``PIP_CERT``, ``REQUESTS_CA_BUNDLE``,
        ``SSL_CERT_FILE``, ``GIT_SSL_CAINFO`` and more) names one PEM file: the user's own where it can serve, else one
        of mode 0600 in a folder of this user's for temporary files, which stays there. ``SSL_CERT_DIR`` is not set.
        Some programs trust their own CAs as well. A block that is insecure, for every host or for some, gives the
        user's own environment.

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
        __tracebackhide__ = True
        resolved = self._resolve_with_file()
        if self._insecure:
            warn(_describe_insecurity(self._insecure, local=self._local), InsecureWarning)
        return resolved

    def _resolve_with_file(self) -> Resolved:
        __tracebackhide__ = True
        resolved = self._resolve()
        if self._export and not self._local:
            resolved.exported = resolved.file()
        for problem in resolved.problems():
            warn(problem, UserWarning)
        return resolved

    def _enter(self, resolved: Resolved, *, place: int | None = None, replaced: tuple[Entry, ...] = ()) -> Entry:
        __tracebackhide__ = True
        entry = live.Entry(self, resolved, unverified=self._insecure, local=self._local, place=place)
        return entering.enter(entry, replaced)

    def _leave(
        self, entry: Entry | None = None, *, place_of: int | None = None, error: BaseException | None = None
    ) -> None:
        try:
            with lock:
                entry = live.find(self, place_of and entering.place(place_of))
            entering.leave(entry)
        except BaseException:  # Ctrl-C before the block was left: it is left before that is heeded
            entering.leave(entry or live.find(self, place_of and entering.place(place_of)))
            raise
        notes.annotate(error, None if entry is None else entry.resolved)


class _Body:
    """The block around one run of a decorated body: what it trusts is found once, and anew at refresh()."""

    def __init__(self, block: TrustedContext) -> None:
        self._block = block
        self._resolved: Resolved | None = None
        self._renewed: Resolved | None = None
        self._entry: Entry | None = None

    def __enter__(self) -> None:
        __tracebackhide__ = True
        renewed = self._block._renewed
        if self._resolved is None:
            self._resolved = self._block._resolve_to_enter()
        elif renewed is not None and renewed is not self._renewed:
            self._resolved = renewed
        self._renewed = renewed
        self._entry = self._block._enter(self._resolved)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entering.leave(self._entry)
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


# What it returns for a function only the overload can say; completion goes by what is written here.
def trusted_context(  # type: ignore[misc]  # noqa: PLR0913  # keywords, each one a decision of the caller's
    cafile: Material | Iterable[Material] | Callable[P, R] | None = None,
    *,
    system: bool | None = None,
    insecure: bool | Collection[str] = False,
    strict: bool = False,
    local: bool = False,
    export: bool = False,
) -> TrustedContext:
    """Make a block in which every HTTPS download of this process trusts what these arguments say.

    It is a context manager, an async context manager and a decorator, can be entered again and pickled, and has
    :meth:`~TrustedContext.start` and :meth:`~TrustedContext.stop` for notebooks. After it the process is as it was.
    A bare ``@trusted_context`` decorates with the defaults. A pickled block takes along the certificates that *cafile*
    holds at that moment: where it is unpickled, the path is only shown. Pickling raises what entering would.

    With neither *cafile* nor *system* it trusts what the machine is set up to trust: ``REQUESTS_CA_BUNDLE``, else
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else ``CURL_CA_BUNDLE``, else the operating system's store, else, where
    that is empty, certifi's bundle.

    Args:
        cafile: CA certificates to trust, and only these: a path to a file or folder, PEM text, ``bytes``, or an
            iterable of them. PEM, DER or PKCS#7, whatever a file's ending says. Any certificate among them may end
            a chain, also an intermediate's or the server's own (RFC 5280, 6.1).
        system: ``True`` for the operating system's store, alone or together with *cafile*; ``False`` for never.
        insecure: ``True`` turns verification off for every host, a collection of ``"host"`` or ``"host:port"`` for
            exactly those. Connections are still encrypted, with TLS 1.2 or newer (RFC 8996), but
            anybody in between can answer.
        strict: ``True`` adds the RFC 5280 checks that Python 3.13 made its default (``VERIFY_X509_STRICT``) and that
            many corporate CAs fail.
        local: ``True`` limits the block to this thread or async task and what is copied from its context.
        export: ``True`` sets the variables of :meth:`~TrustedContext.environment` in this process for as long as the
            block lives, so that child processes and native code follow. An insecure or a local block exports nothing.

    Raises:
        TypeError: an argument of the wrong type, so that nothing but ``True`` or a host turns verification off.
        ValueError: arguments that contradict each other, or a host that is none.

    Raises on entering:
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
        return trusted_context()(cafile)  # type: ignore[return-value]  # as above
    check_together(cafile, system, hosts, strict)
    material = check_cafile(cafile)
    return TrustedContext(material, system=system, insecure=hosts, strict=strict, local=local, export=export)


def current() -> TrustedContext | None:
    """The block that governs a connection made here and now, or ``None``."""
    entry = live.governing()
    return entry.owner if entry else None


def enter_instead_of(replaced: tuple[Entry, ...], block: TrustedContext) -> Entry:
    """Enter *block* and end the entries *replaced*, without a moment in which neither governs.

    Raises:
        Exception: what :meth:`TrustedContext.start` raises; the entries are live as before.
    """
    __tracebackhide__ = True
    return block._enter(block._resolve_to_enter(), replaced=replaced)


def rebuild(
    cafile: tuple[Piece, ...] | None, system: bool | None, insecure: Insecure, switches: dict[str, bool]
) -> TrustedContext:
    """The block of these parts, in the process that they were sent to."""
    return TrustedContext(cafile, system=system, insecure=insecure, **switches)


def _describe_insecurity(insecure: Insecure, *, local: bool) -> str:
    hosts = ", ".join(name_hosts(insecure)) or "every host"
    reach = "in this thread or task alone" if local else "in the whole process (local=True limits it to this thread)"
    return f"verification is off for {hosts}, {reach}: whoever is in between can read and change what is sent"
