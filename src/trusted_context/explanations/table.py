"""The causes of a failure in one table: their names, the codes and words they are known by, and what cures them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What cures a cause: the certificate of the CA that signed what was presented, or another change of the CA file.
THAT_CA = "the certificate of that CA"
CA_FILE = "another CA file"


class Kind:
    """One kind of failure.

    Attributes:
        name: stable, for programs: ``Explanation.cause``.
        cure: ``THAT_CA`` or ``CA_FILE``; ``None`` where no CA file cures it.
        openssl: the ``verify_code`` of each verification error that means this, with OpenSSL's words for it.
        native: the codes that Windows and macOS report for the same, through truststore.
        elsewhere: how rustls, Go and curl begin to say the same, in lower case.
        reasons: the ``SSLError.reason`` of each TLS error that means this.
    """

    __slots__ = ("cure", "elsewhere", "name", "native", "openssl", "reasons")

    def __init__(  # noqa: PLR0913  # the columns of the table
        self,
        name: str,
        cure: str | None = None,
        *,
        openssl: Mapping[int, str] | None = None,
        native: tuple[int, ...] = (),
        elsewhere: tuple[str, ...] = (),
        reasons: tuple[str, ...] = (),
    ) -> None:
        self.name: str = name
        self.cure: str | None = cure
        self.openssl: Mapping[int, str] = openssl or {}
        self.native: tuple[int, ...] = native
        self.elsewhere: tuple[str, ...] = elsewhere
        self.reasons: tuple[str, ...] = reasons


# OpenSSL's codes and words are those of X509_verify_cert_error_string(3) and x509_vfy.h, Windows' those of wincrypt.h,
# macOS' those of Security/SecBase.h. rustls' are those of its CertificateError, Go's of crypto/x509, curl's of vtls.
# A code stands where it belongs if nothing more is known; what was presented may tell a cause that has no code.
_TABLE = (
    # Nothing that was presented leads to what is trusted
    Kind(
        "unknown-issuer",
        THAT_CA,
        openssl={
            20: "unable to get local issuer certificate",
            21: "unable to verify the first certificate",
            27: "certificate not trusted",
        },
        # CERT_E_UNTRUSTEDROOT, CERT_E_CHAINING; errSecNotTrusted, errSecCreateChainFailed
        native=(0x800B0109, 0x800B010A, -67843, -25318),
        elsewhere=("unknownissuer", "certificate signed by unknown authority"),
    ),
    Kind("unknown-root", THAT_CA, openssl={19: "self-signed certificate in certificate chain"}),
    Kind("inspected", THAT_CA),
    Kind("same-name-other-key", THAT_CA, openssl={7: "certificate signature failure"}, elsewhere=("badsignature",)),
    Kind("new-root", THAT_CA),
    Kind("missing-intermediate", CA_FILE),
    Kind("self-signed", CA_FILE, openssl={18: "self-signed certificate"}),
    Kind("anchor-is-intermediate", CA_FILE, openssl={2: "unable to get issuer certificate"}),
    # A certificate is not in order
    Kind(
        "not-yet-valid",
        openssl={9: "certificate is not yet valid"},
        native=(-67819,),  # errSecCertificateNotValidYet
        elsewhere=("notvalidyet", "certificate not valid yet"),
    ),
    Kind(
        "expired",
        openssl={10: "certificate has expired"},
        native=(0x800B0101, -67818),  # CERT_E_EXPIRED; errSecCertificateExpired
        elsewhere=("expired", "certificate expired", "certificate has expired or is not yet valid"),
    ),
    Kind("expired-root", CA_FILE),
    Kind("expired-intermediate", CA_FILE),
    Kind(
        "revoked",
        openssl={23: "certificate revoked"},
        native=(0x800B010C, 0x80092010, -67820),  # CERT_E_REVOKED, CRYPT_E_REVOKED; errSecCertificateRevoked
        elsewhere=("revoked",),
    ),
    Kind(
        "wrong-host",
        openssl={62: "Hostname mismatch"},
        native=(0x800B010F, -67602),  # CERT_E_CN_NO_MATCH; errSecHostNameMismatch
        elsewhere=(
            "notvalidforname",
            "certificate not valid for name",
            "certificate is valid for",
            "certificate is not valid for any names",
            "certificate relies on legacy common name field",
            "no alternative certificate subject name matches",
        ),
    ),
    Kind("no-names"),
    Kind("wrong-address", openssl={64: "IP address mismatch"}, elsewhere=("cannot validate certificate for",)),
    Kind(
        "issuer-not-a-ca",
        openssl={
            24: "invalid CA certificate",  # OpenSSL 1.1.1's code
            32: "key usage does not include certificate signing",
            79: "invalid CA certificate",
        },
        elsewhere=("certificate is not authorized to sign other certificates",),
    ),
    Kind(
        "wrong-purpose",
        openssl={26: "unsuitable certificate purpose"},
        native=(0x800B0110,),  # CERT_E_WRONG_USAGE
        elsewhere=("invalidpurpose", "certificate specifies an incompatible key usage"),
    ),
    Kind(
        "not-allowed",
        openssl={
            22: "certificate chain too long",
            25: "path length constraint exceeded",
            47: "permitted subtree violation",
            48: "excluded subtree violation",
        },
    ),
    Kind(
        "weak-key",
        openssl={
            66: "EE certificate key too weak",
            67: "CA certificate key too weak",
            68: "CA signature digest algorithm too weak",
        },
    ),
    Kind(
        "strict",
        CA_FILE,
        openssl={
            34: "unhandled critical extension",
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
        },
    ),
    Kind("unverified"),
    Kind("not-covered"),
    # There was no certificate to verify, or the failure came after that
    Kind("captive-portal"),
    Kind(
        "not-tls",
        reasons=(
            "HTTPS_PROXY_REQUEST",
            "HTTP_REQUEST",
            "PACKET_LENGTH_TOO_LONG",
            "RECORD_LAYER_FAILURE",
            "UNKNOWN_PROTOCOL",
            "WRONG_VERSION_NUMBER",
        ),
    ),
    Kind(
        "old-tls",
        reasons=(
            "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",  # a client that takes such a version, but not its signatures
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "UNSUPPORTED_PROTOCOL",
            "UNSUPPORTED_SSL_VERSION",
        ),
    ),
    Kind("old-renegotiation", reasons=("UNSAFE_LEGACY_RENEGOTIATION_DISABLED",)),
    Kind(
        "client-certificate",
        reasons=(
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_NO_CERTIFICATE",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_UNKNOWN_CA",
        ),
    ),
    Kind(
        "no-agreement",
        reasons=(
            "DH_KEY_TOO_SMALL",
            "NO_CIPHERS_AVAILABLE",
            "NO_SHARED_CIPHER",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "SSL/TLS_ALERT_HANDSHAKE_FAILURE",
            "TLSV1_ALERT_INSUFFICIENT_SECURITY",
            "UNSUPPORTED_ELLIPTIC_CURVE",
            "WRONG_CURVE",
            "WRONG_SIGNATURE_TYPE",
        ),
    ),
    Kind("unknown-name", reasons=("SSLV3_ALERT_ILLEGAL_PARAMETER", "TLSV1_UNRECOGNIZED_NAME")),
    Kind("cut-off", reasons=("UNEXPECTED_EOF_WHILE_READING",)),
    Kind("dns"),
    Kind("refused"),
    Kind("timed-out"),
    Kind("unreachable"),
    Kind("refused-downgrade"),
    # The way to the server, or what the machine is set up to
    Kind("proxy-authentication"),
    Kind("proxy-refused"),
    Kind("proxy-not-tls"),
    Kind("proxy-unusable"),
    Kind("proxy-untrusted", CA_FILE),
    Kind("unusable-variable"),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _TABLE}
WORDS: Mapping[int, str] = {code: words for kind in _TABLE for code, words in kind.openssl.items()}
_BY_CODE: Mapping[int, str] = {code: kind.name for kind in _TABLE for code in kind.openssl}
_BY_NATIVE: Mapping[int, int] = {code: next(iter(kind.openssl)) for kind in _TABLE for code in kind.native}
_BY_REASON: Mapping[str, str] = {reason: kind.name for kind in _TABLE for reason in kind.reasons}


def of_code(code: int | None) -> str:
    """The name of the cause that OpenSSL's *code* means where nothing more is known."""
    return _BY_CODE.get(code or 0, "unverified")


def of_reason(reason: str) -> str | None:
    """The name of the cause that a TLS error with that reason means."""
    return _BY_REASON.get(reason)


def from_native(code: int) -> int | None:
    """OpenSSL's code for what Windows or macOS reports as *code*; ``None`` where it is none of theirs."""
    found = _BY_NATIVE.get(code)
    return _BY_NATIVE.get(code & 0xFFFFFFFF) if found is None else found  # Windows' codes come with or without sign


def codes_of(*names: str) -> frozenset[int]:
    """OpenSSL's codes of the causes *names*."""
    return frozenset(code for name in names for code in KINDS[name].openssl)


# What stands before the words in a text: OpenSSL's through Python and others, BoringSSL's, curl's, rustls' and Go's.
_PYTHONS = "CERTIFICATE_VERIFY_FAILED] certificate verify failed"
_MARKS = (
    _PYTHONS,
    "SSL routines::certificate verify failed",
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
    "SSL certificate problem",
    "SSL certificate OpenSSL verify result",
    "SSL peer certificate or SSH remote key was not OK",
    "invalid peer certificate",
    "tls: failed to verify certificate",
    "x509",
    "SSL",
)
_SELF_EVIDENT = _MARKS[:-2]
_SEARCHED = 400


def _phrases() -> Iterator[tuple[str, int]]:
    for kind in _TABLE:
        for code, words in kind.openssl.items():
            yield words.lower(), code
        for words in kind.elsewhere:
            yield words, next(iter(kind.openssl))


# Longer words first, where one phrase begins like another.
_PHRASES = sorted(_phrases(), reverse=True)


class Said:
    """What a text says of a verification that failed.

    Attributes:
        code: OpenSSL's code for it; ``None`` where the words are not known.
        words: what the text says, from the words on.
        place: where that begins in the text.
        by_python: whether it was Python's own ``ssl`` that said so.
    """

    __slots__ = ("by_python", "code", "place", "words")

    def __init__(self, code: int | None, words: str, place: int, *, by_python: bool) -> None:
        self.code: int | None = code
        self.words: str = words
        self.place: int = place
        self.by_python: bool = by_python


def said_in(text: str) -> Said | None:
    """What *text* says of a failed verification, in the words of Python, OpenSSL, BoringSSL, curl, rustls or Go."""
    found = []
    for mark in _MARKS:
        place = text.find(f"{mark}: ") if mark not in _SELF_EVIDENT else text.find(mark)
        if place < 0:
            continue
        words = text[place + len(mark) : place + len(mark) + _SEARCHED].lstrip(":; ")
        code = _code_of(words)
        if code is not None or mark in _SELF_EVIDENT:
            found.append(Said(code, words, place, by_python=mark is _PYTHONS))
    return next((one for one in found if one.code is not None), next(iter(found), None))


def _code_of(words: str) -> int | None:
    said = words.lower().replace("self signed", "self-signed").replace("unsupported cert", "unsuitable cert")
    # OpenSSL 1.1.1 wrote "self signed" and "unsupported certificate purpose"; Go says "x509: " once more.
    said = said.removeprefix("x509: ").removeprefix("ssl: ")
    if said.startswith("certificate has expired or is not yet valid") and " is before " in said:  # Go's, for both
        return 9
    return next((code for phrase, code in _PHRASES if said.startswith(phrase)), None) or next(
        (code for phrase, code in _PHRASES if f"({phrase})" in said), None
    )
