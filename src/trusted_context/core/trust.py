"""Trust: a plain value that says what verifies a server. The contexts that do it are made in ``contexts``."""

from __future__ import annotations

import ssl

from .hosts import Host, normalise_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Insecure: TypeAlias = bool | frozenset[Host]

# RFC 5280, 6.1 leaves it to the user what an anchor is; OpenSSL alone insists on a self-signed one.
_VERIFY_FLAGS = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN


class Trust:
    """What a block trusts. Nothing in a value ever changes, and equal values are interchangeable.

    Args:
        anchors: DER certificates, any of which may end a chain.
        folder: a folder of hashed names where OpenSSL looks for more anchors when it needs one.
        native: the operating system verifies by its own rules (Windows, macOS), with *anchors* beside its store.
        insecure: ``True`` for no verification at all, or the hosts that are not verified.
        strict: add RFC 5280 strictness (``VERIFY_X509_STRICT``).
        key_log: where the keys of connections are written for Wireshark, as ``create_default_context()`` does.
    """

    __slots__ = ("_hash", "anchors", "folder", "insecure", "key_log", "native", "strict")

    def __init__(  # noqa: PLR0913  # a value is made of all its parts
        self,
        anchors: tuple[bytes, ...] = (),
        *,
        folder: str | None = None,
        native: bool = False,
        insecure: Insecure = False,
        strict: bool = False,
        key_log: str | None = None,
    ) -> None:
        self.anchors: tuple[bytes, ...] = anchors
        self.folder: str | None = folder
        self.native: bool = native
        self.insecure: Insecure = insecure
        self.strict: bool = strict
        self.key_log: str | None = key_log
        self._hash = hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return (self.anchors, self.folder, self.native, self.insecure, self.strict, self.key_log)

    def __reduce__(self) -> tuple[object, ...]:
        # Hashes of bytes are of one process alone.
        return _rebuild, self._key()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Trust) and self._key() == other._key())

    def verifies(self, host: str | None, port: int | None) -> bool:
        """Whether a connection to exactly this host and port is verified."""
        if isinstance(self.insecure, bool):
            return not self.insecure
        if not self.insecure or host is None:
            return True
        name = normalise_host(host)
        return (name, None) not in self.insecure and (name, port) not in self.insecure

    @property
    def flags(self) -> ssl.VerifyFlags:
        """The verify flags that are in force for verified hosts."""
        return _VERIFY_FLAGS | ssl.VERIFY_X509_STRICT if self.strict else _VERIFY_FLAGS


def _rebuild(  # noqa: PLR0913, PLR0917  # as many as a Trust has
    anchors: tuple[bytes, ...],
    folder: str | None,
    native: bool,
    insecure: Insecure,
    strict: bool,
    key_log: str | None,
) -> Trust:
    return Trust(anchors, folder=folder, native=native, insecure=insecure, strict=strict, key_log=key_log)
