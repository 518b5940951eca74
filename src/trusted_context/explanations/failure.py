"""What is known of a verification that failed, and the form of its explanation."""

from __future__ import annotations

import re
import time

from ..core.certificate import printable
from . import anchors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.certificate import Certificate
    from ..core.trust import Trust


class Cause:
    """One cause of a failure, in words.

    Attributes:
        name: stable, for programs: ``"inspected"``, ``"expired"``.
        happened: what happened, in one line that names the host and, where it matters, the issuer.
        likely: what that most likely means.
        next: what to do, with the line of code that cures it where there is one.
    """

    __slots__ = ("happened", "likely", "name", "next")

    def __init__(self, name: str, happened: str, likely: str, next: str) -> None:  # noqa: A002  # as it is called
        self.name = name
        self.happened = happened
        self.likely = likely
        self.next = next


class Failure:
    """What is known of a verification that failed.

    Args:
        code: OpenSSL's ``verify_code``; ``None`` where only *message* is known.
        message: OpenSSL's words, or any text that holds them.
        host: the name or address that was asked for.
        chain: what the server presented, its own first; may be empty.
        trust: what it was verified by, where that is known.
        truster: who did not trust it, in words.
    """

    def __init__(  # noqa: PLR0913  # all of them facts of one failure
        self,
        code: int | None,
        message: str = "",
        *,
        host: str | None = None,
        chain: tuple[Certificate, ...] = (),
        trust: Trust | None = None,
        truster: str = "this block",
    ) -> None:
        self.message = message
        self.host = host or _host_in(message)
        self.chain = chain
        self.trust = trust
        self.truster = truster
        self.path = linked(chain)
        self.code = _normal_code(code, message, self.path)

    @property
    def server(self) -> str:
        """Whom to name at the beginning of a line."""
        return printable(self.host) if self.host else "the server"

    @property
    def leaf(self) -> Certificate | None:
        """The server's own certificate."""
        return self.chain[0] if self.chain else None

    @property
    def top(self) -> Certificate | None:
        """The last of the certificates that name each other as issuer, from the server's own on."""
        return self.path[-1] if self.path else None

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The CAs that were trusted."""
        return anchors.of_trust(self.trust) if self.trust else ()

    @property
    def at_any_cost(self) -> str:
        """The last resort, for this host alone."""
        host = f'"{self.server}"' if self.host else "that host's name"
        return f"last resort, where nothing depends on what is sent: trusted_context(insecure={{{host}}})"


def linked(chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """The certificates of *chain* from the server's own up, each followed by the one named as its issuer."""
    path = list(chain[:1])
    while path and not path[-1].self_issued:
        issuer = next((one for one in chain if path[-1].names_as_issuer(one) and one not in path), None)
        if issuer is None:
            break
        path.append(issuer)
    return tuple(path)


# OpenSSL's words, from X509_verify_cert_error_string(3), by which a failure is known where only its text is left.
WORDS = {
    2: "unable to get issuer certificate",
    7: "certificate signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    24: "invalid CA certificate",
    25: "path length constraint exceeded",
    26: "unsuitable certificate purpose",
    27: "certificate not trusted",
    32: "key usage does not include certificate signing",
    34: "unhandled critical extension",
    47: "permitted subtree violation",
    48: "excluded subtree violation",
    62: "Hostname mismatch",
    64: "IP address mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
    79: "invalid CA certificate",
    80: "Path length invalid for non-CA cert",
    81: "Path length given without key usage keyCertSign",
    82: "Key usage keyCertSign invalid for non-CA cert",
    83: "Issuer name empty",
    84: "Subject name empty",
    85: "Missing Authority Key Identifier",
    86: "Missing Subject Key Identifier",
    87: "Empty Subject Alternative Name extension",
    88: "Subject empty and Subject Alt Name extension not critical",
    89: "Basic Constraints of CA cert not marked critical",
    90: "Authority Key Identifier marked critical",
    91: "Subject Key Identifier marked critical",
    92: "CA cert does not include key usage extension",
    93: "Using cert extension requires at least X509v3",
}
# Longer words first, where one begins like another; OpenSSL 1.1.1 wrote "self signed" and "unsupported ... purpose".
_IN_TEXT = sorted(((words.lower(), code) for code, words in WORDS.items()), reverse=True)

# What truststore reports are the system's own codes: wincrypt.h's and Security/SecBase.h's.
_NATIVE = {
    0x800B0101: 10,  # CERT_E_EXPIRED
    0x800B0109: 20,  # CERT_E_UNTRUSTEDROOT
    0x800B010A: 20,  # CERT_E_CHAINING
    0x800B010F: 62,  # CERT_E_CN_NO_MATCH
    0x800B0110: 26,  # CERT_E_WRONG_USAGE
    0x800B010C: 23,  # CERT_E_REVOKED
    0x80092010: 23,  # CRYPT_E_REVOKED
    -67818: 10,  # errSecCertificateExpired
    -67819: 9,  # errSecCertificateNotValidYet
    -67602: 62,  # errSecHostNameMismatch
    -67843: 20,  # errSecNotTrusted
    -25318: 20,  # errSecCreateChainFailed
    -67820: 23,  # errSecCertificateRevoked
}


def code_in(text: str) -> int | None:
    """The code whose words OpenSSL, or Python for it, put into *text*."""
    said = text.lower().partition("certificate verify failed: ")[2]
    said = said.replace("self signed", "self-signed").replace("unsupported cert", "unsuitable cert")
    return next((code for words, code in _IN_TEXT if said.startswith(words)), None)


def _normal_code(code: int | None, message: str, path: Iterable[Certificate]) -> int | None:
    if code is None:
        return code_in(message)
    # Windows gives its codes with or without the sign.
    found = _NATIVE.get(code) or _NATIVE.get(code & 0xFFFFFFFF)
    if found != 10:
        return found or code
    early = any(one.not_before and one.not_before > time.time() for one in path)
    return 9 if early else 10  # CERT_E_EXPIRED is both


_HOST = re.compile(r"not valid for '([^']{1,253})'")


def _host_in(text: str) -> str | None:
    found = _HOST.search(text)
    return found[1] if found else None


def day(seconds: float | None) -> str:
    """The day of that moment (seconds since the epoch), in UTC."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):  # years that this system's C library cannot count to
        return "a day beyond reckoning"
