"""A certificate as a person reads it: names, validity and fingerprint, safe to print."""

from __future__ import annotations

import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LONGEST = 120
# What a person calls a certificate by: the first of these that it has.
_NAMES = ("commonName", "organizationalUnitName", "organizationName")


class Certificate:
    """A certificate that a server presented, or that a context trusts.

    Args:
        der: its bytes.
        info: what CPython reads of it, as ``SSLSocket.getpeercert()`` gives it.

    Attributes:
        subject: whom it was issued to, by one name.
        issuer: who signed it, by one name.
        full_subject: the whole distinguished name of the subject.
        full_issuer: the whole distinguished name of the issuer.
        not_before: from when it is valid, in seconds since the epoch; ``None`` where that cannot be read.
        not_after: until when, likewise.
        names: the hosts and addresses that it is valid for (RFC 9525).
        self_issued: subject and issuer are the same name, as a root's are.
        locates_its_issuer: it says where its issuer's certificate can be had, as those of public CAs do and those
            of inspecting products rarely (RFC 5280, 4.2.2.1).
    """

    __slots__ = (
        "_issuer",
        "_subject",
        "der",
        "full_issuer",
        "full_subject",
        "issuer",
        "locates_its_issuer",
        "names",
        "not_after",
        "not_before",
        "self_issued",
        "subject",
    )

    def __init__(self, der: bytes, info: Mapping[str, Any]) -> None:
        self.der: bytes = der
        self._subject = info.get("subject", ())
        self._issuer = info.get("issuer", ())
        self.full_subject: str = _full(self._subject)
        self.full_issuer: str = _full(self._issuer)
        self.subject: str = _short(self._subject)
        self.issuer: str = _short(self._issuer)
        self.not_before: int | None = _seconds(info.get("notBefore"))
        self.not_after: int | None = _seconds(info.get("notAfter"))
        self.names: tuple[str, ...] = tuple(
            printable(name) for kind, name in info.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}
        )
        self.self_issued: bool = bool(info) and self._subject == self._issuer  # which may both be empty
        self.locates_its_issuer: bool = bool(info.get("caIssuers"))

    def names_as_issuer(self, other: Certificate) -> bool:
        """Whether *other* bears the name that this certificate's issuer has; its key may be another."""
        return bool(self._issuer) and self._issuer == other._subject

    def shares_its_subject(self, other: Certificate) -> bool:
        """Whether both were issued to the same name."""
        return bool(self._subject) and self._subject == other._subject

    @property
    def issuer_organisations(self) -> frozenset[str]:
        """The organisations in the issuer's name."""
        return _organisations(self._issuer)

    @property
    def subject_organisations(self) -> frozenset[str]:
        """The organisations in the subject's name."""
        return _organisations(self._subject)

    @property
    def issuer_words(self) -> str:
        """What the issuer calls itself, to look for a maker's name in; not to be printed."""
        return " / ".join(value for kind, value in _attributes(self._issuer) if kind in _NAMES)

    @property
    def sha256(self) -> str:
        """The fingerprint, as browsers and ``openssl x509 -fingerprint -sha256`` write it."""
        import hashlib

        return hashlib.sha256(self.der).digest().hex(":").upper()


def printable(text: object, longest: int = _LONGEST) -> str:
    """*text* on one line of bounded length, without what would steer a terminal or turn the reading direction."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text)[:longest])
    return shown + "..." if len(str(text)) > longest else shown


def _attributes(name: Any) -> list[tuple[str, str]]:
    return [(str(key), str(value)) for relative in name for key, value in relative]


def _organisations(name: Any) -> frozenset[str]:
    # Two without a name have nothing in common.
    return frozenset(value for kind, value in _attributes(name) if kind == "organizationName" and value)


def _full(name: Any) -> str:
    """The whole distinguished name, in which two issuers of the same common name differ."""
    return printable(", ".join(f"{key}={value}" for key, value in _attributes(name)))


def _short(name: Any) -> str:
    attributes = dict(reversed(_attributes(name)))
    kind = next((kind for kind in _NAMES if attributes.get(kind)), None)
    # It is shown in quotation marks, which it shall not close.
    return (printable(attributes[kind]) if kind else _full(name) or "(no name)").replace('"', "'")


def _seconds(text: object) -> int | None:
    try:
        return ssl.cert_time_to_seconds(str(text))
    except ValueError:
        return None
