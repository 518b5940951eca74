"""What a block's arguments come to at the moment it is entered: a Trust, where it came from, and what to warn of."""

from __future__ import annotations

from . import _bundle, _environ, _stores
from ._bundle import BundleError
from ._trust import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bundle import Material
    from ._stores import Source
    from ._trust import Insecure


class Resolved:
    """The trust in force, and the source it came from (``None`` where nothing is verified)."""

    __slots__ = ("_source", "trust")

    def __init__(self, source: Source | None, trust: Trust) -> None:
        self._source = source
        self.trust = trust

    def problems(self) -> list[str]:
        """What the user should know of the CA material, though it is usable."""
        if self._source is None:
            return []
        found = self._source.bundle
        problems = list(found.skipped)
        problems += [f"{found.origins[place]}: OpenSSL cannot read this certificate" for place in self.trust.refused]
        if problems:
            problems = [f"skipped while the other certificates are used: {problem}" for problem in problems]
        if self._lacks_an_authority():
            problems.append(
                f"{self._source.description}: holds no CA certificate, only a server's: it is trusted on the very "
                "server that presents it and nowhere else; to trust what a CA signed, give the CA's certificate"
            )
        return problems

    def _lacks_an_authority(self) -> bool:
        # A self-signed server certificate was made to be trusted by itself; one that a CA issued is often a mistake.
        if self._source is None or self._source.native or self._source.folder or self.trust.authorities:
            return False
        return not any(map(_bundle.is_self_issued, self.trust.anchors))

    def describe(self) -> str:
        """One line for a person: the source, the number of CAs, what is off, and the verify flags in force."""
        if self._source is None:
            return "insecure=True: verification is off for every host; TLS 1.2 or newer"
        parts = [f"{self._source.description}: {self._count()}", _describe_insecure(self.trust.insecure)]
        if self._source.native:
            parts.append("by the operating system's own rules, which strict does not change")
        else:
            flags = ", ".join(str(flag.name) for flag in self.trust.flags)
            parts.append(f"{'strict' if self.trust.strict else 'not strict'} ({flags})")
        return "; ".join(parts)

    def _count(self) -> str:
        cas = self.trust.authorities
        others = len(self.trust.anchors) - len(self.trust.refused) - cas
        parts = []
        if cas:
            parts.append(f"{cas} {'CA' if cas == 1 else 'CAs'}")
        if others:
            parts.append(f"{others} {'certificate' if others == 1 else 'certificates'} of servers")
        if self._source and self._source.native:
            parts.append("the system's own CAs")
        elif self.trust.folder:
            parts.append("what the folder holds")
        return " and ".join(parts)


def resolve(cafile: tuple[Material, ...] | None, *, system: bool | None, insecure: Insecure, strict: bool) -> Resolved:
    """Find and prove what is to be trusted now.

    Raises:
        OSError: a CA file or folder cannot be read; ``filename`` is set.
        BundleError: what is to be trusted holds no usable certificate.
    """
    if insecure is True:
        nobody = Trust(insecure=True, key_log=_environ.key_log())
        nobody.prove()
        return Resolved(None, nobody)
    source = _stores.find(cafile, system)
    trust = Trust(
        source.bundle.certificates,
        folder=source.folder,
        native=source.native,
        insecure=insecure,
        strict=strict,
        key_log=_environ.key_log(),
    )
    if len(trust.refused) == len(trust.anchors) and not (source.native or source.folder):
        raise BundleError(
            f"{source.description}: holds no certificate that OpenSSL can read: it is damaged, or of another kind; "
            "export the CA certificate again"
        )
    return Resolved(source, trust)


def name_hosts(insecure: Insecure) -> list[str]:
    """The hosts that are not verified, as a person would write them; none where it is all or nothing."""
    if isinstance(insecure, bool):
        return []
    bracketed = ((f"[{host}]" if ":" in host and port else host, port) for host, port in insecure)
    return sorted(f"{host}:{port}" if port else host for host, port in bracketed)


def _describe_insecure(insecure: Insecure) -> str:
    return f"verification is off for {', '.join(name_hosts(insecure))}" if insecure else "every host is verified"
