"""What a block's arguments come to at the moment it is entered: a Trust, where it came from, and what to warn of."""

from __future__ import annotations

import os

from ..core.contexts import Verifier, count_in, verifier
from ..core.redaction import show_path
from ..core.trust import Trust
from . import bundles, der, environment, exported_file, pem, stores
from .error import BundleError
from .exhaustion import add_remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.trust import Insecure
    from .bundles import Piece
    from .stores import Source


class Resolved:
    """The trust in force, and the source it came from (``None`` where nothing is verified).

    Raises:
        OSError: the key log cannot be written.

    Attributes:
        source: where the trust came from.
        verifier: what makes the contexts that verify by it.
        summary: the source and the number of CAs.
        exported: the file that a block with ``export=True`` exports.
    """

    __slots__ = ("exported", "source", "summary", "trust", "verifier")

    def __init__(self, source: Source | None, trust: Trust) -> None:
        self.source: Source | None = source
        self.trust: Trust = trust
        self.verifier: Verifier = verifier(trust)
        self.summary: str = f"{source.description}: {self._count()}" if source else "nothing"
        self.exported: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # For a child process. Contexts cannot be pickled.
        return _rebuild, (self.source, self.trust, self.exported)

    def problems(self) -> list[str]:
        """What the user should know of the CA material, though it is usable."""
        if self.source is None:
            return []
        found = self.source.bundle
        problems = list(found.skipped)
        problems += [f"{found.origins[place]}: OpenSSL cannot read this certificate" for place in self.verifier.refused]
        if problems:
            problems = [f"skipped while the other certificates are used: {problem}" for problem in problems]
        if self._lacks_an_authority():
            problems.append(
                f"{self.source.description}: holds no CA certificate, only a server's: it is trusted on the very "
                "server that presents it and nowhere else; to trust what a CA signed, give the CA's certificate"
            )
        return problems

    def _lacks_an_authority(self) -> bool:
        # A self-signed server certificate was made to be trusted by itself; one that a CA issued is often a mistake.
        if self.source is None or self.source.native or self.source.folder or self.verifier.authorities:
            return False
        return not any(map(der.is_self_issued, self.trust.anchors))

    def file(self) -> str | None:
        """The path of a PEM file with what is trusted, for programs that take nothing else; none where insecure.

        The user's own file, where others read from it what we did; else one that is written.

        Raises:
            OSError: it cannot be written.
            ValueError: what is trusted is not all certificates, but also the operating system's own rules.
        """
        if self.source is None or self.trust.insecure:
            return None
        if self.source.native:
            raise ValueError(
                f"{self.source.description}: the operating system verifies by its own rules here, and its store is no "
                "file that child processes could be given: pass cafile= without system=True"
            )
        certificates = self._certificates()
        if not certificates:
            raise BundleError(f"{self.source.description}: no file can be made of what is there: pass cafile=")
        own = self.source.file
        return own if own and _holds(own, certificates) else exported_file.write(certificates)

    def _certificates(self) -> tuple[bytes, ...]:
        refused = frozenset(self.verifier.refused)
        known = tuple(der for place, der in enumerate(self.trust.anchors) if place not in refused)
        if self.trust.folder is None:
            return known
        lacking = tuple(der for der in stores.read_hashed(self.trust.folder) if der not in frozenset(known))
        if not lacking:
            return known
        refused = frozenset(verifier(Trust(lacking)).refused)
        return known + tuple(der for place, der in enumerate(lacking) if place not in refused)

    def describe(self) -> str:
        """One line for a person: the source, the number of CAs, what is off, and the verify flags in force."""
        if self.source is None:
            return "insecure=True: verification is off for every host; TLS 1.2 or newer"
        parts = [self.summary, _describe_insecure(self.trust.insecure)]
        if self.source.native:
            parts.append("by the operating system's own rules, which strict does not change")
        else:
            flags = ", ".join(str(flag.name) for flag in self.trust.flags)
            parts.append(f"{'strict' if self.trust.strict else 'not strict'} ({flags})")
        return "; ".join(parts)

    def _count(self) -> str:
        cas = self.verifier.authorities
        others = len(self.trust.anchors) - len(self.verifier.refused) - cas
        parts = []
        if cas:
            parts.append(f"{cas} {'CA' if cas == 1 else 'CAs'}")
        if others:
            parts.append(f"{others} {'certificate' if others == 1 else 'certificates'} of servers")
        if self.source and self.source.native:
            parts.append("the system's own CAs")
        elif self.trust.folder:
            parts.append("what the folder holds")
        return " and ".join(parts)


def _rebuild(source: Source | None, trust: Trust, exported: str | None) -> Resolved:
    resolved = Resolved(source, trust)
    resolved.exported = exported
    return resolved


def _holds(path: str, certificates: tuple[bytes, ...]) -> bool:
    """Whether every program reads from the file at *path* these certificates and no others.

    We read more than others do: DER, PKCS#7, UTF-16, and PEM with a mark or a text before its first line.
    """
    if not os.path.isfile(path):  # a folder, or a pipe, which gives its content once
        return False
    try:
        with open(path, "rb") as file:
            # OpenSSL trusts a TRUSTED CERTIFICATE too, and nobody else has any use for a private key.
            plain = pem.is_plain(file.read())
        bundle = bundles.read_path(path)
    except (OSError, BundleError):  # it was changed since
        return False
    found = frozenset(bundle.certificates)
    return plain and not bundle.skipped and found == frozenset(certificates) and count_in(path) == len(found)


def resolve(cafile: tuple[Piece, ...] | None, *, system: bool | None, insecure: Insecure, strict: bool) -> Resolved:
    """Find and prove what is to be trusted now.

    Raises:
        OSError: a CA file or folder cannot be read; ``filename`` is set.
        BundleError: what is to be trusted holds no usable certificate.
    """
    try:
        return _resolve(cafile, system=system, insecure=insecure, strict=strict)
    except OSError as error:
        add_remedy(error)
        raise


def _resolve(cafile: tuple[Piece, ...] | None, *, system: bool | None, insecure: Insecure, strict: bool) -> Resolved:
    if insecure is True:
        return Resolved(None, Trust(insecure=True, key_log=prove_key_log()))
    source = stores.find(cafile, system)
    trust = Trust(
        source.bundle.certificates,
        folder=source.folder,
        native=source.native,
        insecure=insecure,
        strict=strict,
        key_log=prove_key_log(),
    )
    resolved = Resolved(source, trust)
    if len(resolved.verifier.refused) == len(trust.anchors) and not (source.native or source.folder):
        raise BundleError(
            f"{source.description}: holds no certificate that OpenSSL can read: it is damaged, or of another kind; "
            "export the CA certificate again"
        )
    return resolved


def _try_key_log(path: str) -> OSError | None:
    try:
        verifier(Trust(insecure=True, key_log=path))
    except OSError as error:
        return error
    return None


def prove_key_log() -> str | None:
    """Where the keys of connections are to be written, proved to be a place where they can; ``None`` for nowhere.

    Raises:
        OSError: they cannot, at which ``ssl.create_default_context()`` stops as well; ``filename`` is set.
    """
    path = environment.key_log()
    if path:
        failure = _try_key_log(path)
        if failure is not None:
            remedy = "named by the environment variable SSLKEYLOGFILE: correct it, or unset it"
            raise type(failure)(failure.errno, f"{failure.strerror} ({remedy})", show_path(path))
    return path


def name_hosts(insecure: Insecure) -> list[str]:
    """The hosts that are not verified, as a person would write them; none where it is all or nothing."""
    if isinstance(insecure, bool):
        return []
    bracketed = ((f"[{host}]" if ":" in host and port else host, port) for host, port in insecure)
    return sorted(f"{host}:{port}" if port else host for host, port in bracketed)


def _describe_insecure(insecure: Insecure) -> str:
    return f"verification is off for {', '.join(name_hosts(insecure))}" if insecure else "every host is verified"
