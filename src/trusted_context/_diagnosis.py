"""What a check's findings come to: the one cause, in words, and what to do next."""

from __future__ import annotations

import ssl
import time

from . import _causes
from ._certificate import printable
from ._failure import Cause, Failure
from ._target import authority
from ._tunnel import PlainProxyError, TunnelError, explain_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._probe import Handshake, Probe, Stopped
    from ._verdicts import Outcome, Verdict

# Codes that say no more than that nobody who is trusted signed it; another one says what is wrong besides.
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, None})
_BEFORE_TLS = "this has nothing to do with certificates: the proxy's answer came before any of them"
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")


def of_verdicts(verdicts: Sequence[Verdict], agreed: Handshake, probe: Probe) -> Cause | None:
    """What is wrong, or would be for a client that trusts something else; ``None`` where nothing is."""
    if agreed.version in _OLD:
        return _old_tls(agreed, probe)
    if agreed.refusal:
        return _client_certificate(probe)
    failing = [(verdict, verdict.outcome) for verdict in verdicts if verdict.outcome and not verdict.outcome.works]
    strictly = [(verdict, verdict.strictly) for verdict in verdicts if verdict.strictly and not verdict.strictly.works]
    if not any(verdict.works for verdict in verdicts):
        failing.sort(key=lambda one: one[1].code in _UNTRUSTED)
    chosen = next(iter(failing or strictly), None)
    return _of_outcome(*chosen, agreed, probe) if chosen else None


def of_stop(stopped: Stopped, probe: Probe) -> Cause:
    """Why the way to the server ended before its certificate was seen."""
    place = f"the proxy {probe.proxy}" if probe.proxy else authority(probe.host, probe.port)
    error = stopped.error
    if stopped.stage == "lookup":
        return _no_name(error, probe)
    if stopped.stage == "connection":
        return _no_connection(error, place, probe)
    if stopped.stage == "proxy":
        return _no_tunnel(error, probe)
    if stopped.asks_for_certificate:
        return _client_certificate(probe)
    return _of_tls(error, probe)


def _of_outcome(verdict: Verdict, outcome: Outcome, agreed: Handshake, probe: Probe) -> Cause | None:
    error = outcome.stopped.error if outcome.stopped else None
    if not isinstance(error, ssl.SSLCertVerificationError):
        return of_stop(outcome.stopped, probe) if outcome.stopped else None
    failure = Failure(
        error.verify_code,
        str(error),
        host=probe.host,
        chain=agreed.chain,
        trust=verdict.candidate.trust,
        truster=verdict.candidate.title,
    )
    return _causes.of_verification(failure)


def words(error: BaseException) -> str:
    """What the operating system, OpenSSL or the proxy said, on one line."""
    said = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return printable(said or type(error).__name__)


def date(seconds: int | None) -> str | None:
    """That day, as ISO 8601 writes it."""
    try:
        return None if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # a year that the platform cannot count to
        return None


def _no_name(error: OSError | ValueError, probe: Probe) -> Cause:
    host = probe.proxy.host if probe.proxy else probe.host
    if isinstance(error, TimeoutError):
        return Cause(
            "timeout",
            f"{host}: the name lookup gave no answer in time",
            "no network, or a DNS server that is down",
            "check the network (VPN, Wi-Fi, login page), and try again with a longer --timeout",
        )
    if probe.proxy:
        likely, advice = "the proxy's name is wrong, or only known inside a VPN", "correct the proxy's address"
    else:
        likely = "the name is wrong; or this network resolves no outside names, since all goes through a proxy"
        advice = "check the name in a browser; if that uses a proxy, set https_proxy=http://host:port to the same"
    return Cause("dns", f"{host}: the name lookup failed: {words(error)}", likely, advice)


def _no_connection(error: OSError | ValueError, place: str, probe: Probe) -> Cause:
    through = "" if probe.proxy else "; if a browser gets there, it uses a proxy: set https_proxy=http://host:port too"
    if isinstance(error, TimeoutError):
        return Cause(
            "timeout",
            f"{place}: no connection within the time that was given",
            "a firewall that drops what is sent there, or a host that is down",
            f"check host and port{through}",
        )
    if isinstance(error, ConnectionRefusedError):
        return Cause(
            "refused", f"{place}: the connection was refused", "nothing listens there", f"check host and port{through}"
        )
    return Cause(
        "unreachable",
        f"{place}: no connection: {words(error)}",
        "no network leads there",
        f"check the network{through}",
    )


def _no_tunnel(error: OSError | ValueError, probe: Probe) -> Cause:
    proxy = probe.proxy
    assert proxy
    if isinstance(error, TunnelError):
        advice = " ".join(explain_refusal(error, authenticated=proxy.authorization is not None))
        name = "proxy-authentication" if error.status == 407 else "proxy-refused"
        return Cause(name, f"the proxy {proxy} opened no tunnel: {words(error)}", _BEFORE_TLS, advice)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Cause(
            "proxy-untrusted",
            f"the proxy {proxy} has a certificate that nothing on this machine verifies: {words(error)}",
            "the proxy's CA is your organisation's own",
            "ask IT for that CA's certificate, and give it as cafile; no user or password was sent",
        )
    if isinstance(error, PlainProxyError):
        return Cause(
            "proxy-not-tls",
            f"the proxy {proxy} is named with https://, and speaks plain HTTP",
            "most proxies are spoken to without TLS, also for https:// downloads",
            f"write http:// in its place: https_proxy={str(proxy).replace('https://', 'http://', 1)}",
        )
    return Cause(
        "timeout" if isinstance(error, TimeoutError) else "proxy-refused",
        f"the proxy {proxy} opened no tunnel: {words(error)}",
        "the proxy is busy or down, or something else listens there",
        "check the proxy's address; ask IT",
    )


def _of_tls(error: OSError | ValueError, probe: Probe) -> Cause:
    reason = getattr(error, "reason", None) or ""
    place = authority(probe.host, probe.port)
    for reasons, name, likely, advice in _TLS:
        if any(part in reason for part in reasons):
            return Cause(name, f"{place}: TLS failed: {words(error)}", likely, advice)
    if isinstance(error, TimeoutError):
        return Cause(
            "timeout",
            f"{place}: it took the connection, and did not finish the TLS handshake in time",
            "a firewall or an overloaded server; or something that does not speak TLS listens there",
            "try again with a longer --timeout; check the port",
        )
    return Cause(
        "reset",
        f"{place}: the connection was ended during the TLS handshake: {words(error)}",
        "a firewall or an inspecting proxy that forbids this host",
        "ask IT to allow it, or whether a proxy is to be used",
    )


_TLS = (
    (
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH", "UNKNOWN_PROTOCOL", "BAD_RECORD_TYPE"),
        "not-tls",
        "what listens there does not speak TLS: a plain HTTP server or an HTTP proxy",
        "check the port; if this is your proxy, it belongs into https_proxy=http://host:port",
    ),
    (
        ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW"),
        "old-tls",
        "the server and this OpenSSL have no version of TLS in common: one of them is old",
        "tell whoever runs the server to offer TLS 1.2 or newer",
    ),
    (
        ("UNRECOGNIZED_NAME",),
        "unknown-name",
        "the server knows no host of this name",
        "check the name; what answers may be a balancer or a proxy in the server's place",
    ),
    (
        ("HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "DH_KEY_TOO_SMALL", "INSUFFICIENT_SECURITY"),
        "handshake",
        "the server and this OpenSSL have no cipher in common, or it insists on a client certificate",
        "tell whoever runs the server; no CA file cures this",
    ),
)


def _old_tls(agreed: Handshake, probe: Probe) -> Cause:
    return Cause(
        "old-tls",
        f"{authority(probe.host, probe.port)}: the server speaks {agreed.version} at best, which RFC 8996 forbids",
        "an old server or device",
        "tell whoever runs the server to offer TLS 1.2 or newer; no CA file cures this",
    )


def _client_certificate(probe: Probe) -> Cause:
    return Cause(
        "client-certificate",
        f"{authority(probe.host, probe.port)}: the server refuses whoever presents no client certificate",
        "it is for those alone whom its owner gave a certificate and key",
        "ask its owner for them, and give them to the client: cert=('cert.pem', 'key.pem') in requests",
    )
