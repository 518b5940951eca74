"""What a check's findings come to: the one cause, in words, and what to do next."""

from __future__ import annotations

import re
import ssl

from ..core.certificate import printable
from ..core.hosts import authority
from ..explanations import causes, connecting, table
from ..explanations.failure import Cause, Failure, linked
from . import names
from .findings import Wanted
from .plain import PlainAnswerError
from .tunnel import PlainProxyError, TunnelError, explain_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.certificate import Certificate
    from .candidates import Candidate
    from .probe import Handshake, Probe, Stopped
    from .verdicts import Outcome, Tried

# Codes that say no more than that nobody who is trusted signed it; another one says what is wrong besides.
_UNTRUSTED = {
    None,
    *table.codes_of("unknown-issuer", "unknown-root", "self-signed", "anchor-is-intermediate"),
}
(_WRONG_NAME,) = table.codes_of("wrong-host")
# A CA of the right name and another key, where the certificate does not identify its issuer's key.
_SIGNATURE_FAILURE = table.codes_of("same-name-other-key")
_BEFORE_TLS = "this has nothing to do with certificates: the proxy's answer came before any of them"
_SOURCE_LINE = re.compile(r" \(_ssl\.c:\d+\)$")
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")


def of_verdicts(verdicts: Sequence[Tried], agreed: Handshake, probe: Probe) -> Cause | None:
    """What is wrong, or would be for a client that trusts something else; ``None`` where nothing is."""
    if agreed.version in _OLD:
        return connecting.old_tls(probe.host)
    if agreed.refusal:
        return connecting.client_certificate(probe.host)
    if agreed.chain and not agreed.chain[0].names and any(verdict.works for verdict in verdicts):
        return causes.of_verification(Failure(_WRONG_NAME, host=probe.host, chain=agreed.chain))
    unusable = next((verdict.candidate for verdict in verdicts if verdict.candidate.name == "environment"), None)
    if unusable and unusable.problem and any(verdict.works for verdict in verdicts):
        return _unusable_variable(unusable)
    failing = [(verdict, verdict.outcome) for verdict in verdicts if verdict.outcome and not verdict.outcome.works]
    strictly = [(verdict, verdict.strictly) for verdict in verdicts if verdict.strictly and not verdict.strictly.works]
    if not any(verdict.works for verdict in verdicts):
        if a_ca_is_missing(verdicts) and agreed.chain and not names.cover(agreed.chain[0].names, probe.host):
            # Said before an unknown CA, as of a login page's certificate: no CA would make it right.
            return causes.of_verification(Failure(_WRONG_NAME, host=probe.host, chain=agreed.chain))
        failing.sort(key=lambda one: one[1].code in _UNTRUSTED)
    chosen = next(iter(failing or strictly), None)
    return _of_outcome(*chosen, agreed, probe) if chosen else None


def a_ca_is_missing(tried: Sequence[Tried]) -> bool:
    """Whether nothing verified the server, and another CA could."""
    codes = [one.outcome.code for one in tried if one.outcome and not one.outcome.works]
    # Another code says that something is wrong for whoever knows the CA, too.
    return bool(codes) and not any(one.works for one in tried) and {*_UNTRUSTED, *_SIGNATURE_FAILURE}.issuperset(codes)


def of_stop(stopped: Stopped, probe: Probe) -> Cause:
    """Why the way to the server ended before its certificate was verified."""
    if stopped.stage == "proxy":
        return _no_tunnel(stopped.error, probe)
    error: BaseException = stopped.error
    if isinstance(error, PlainAnswerError):
        if error.is_portals:
            return _portal(error, authority(probe.host, probe.port))
        error = error.tls
    if stopped.asks_for_certificate:
        return connecting.client_certificate(probe.host)
    to_proxy = probe.proxy and stopped.stage != "tls"
    place = f"the proxy {probe.proxy}" if to_proxy else authority(probe.host, probe.port)
    found = connecting.find([error], by_a_client=True)
    if found:
        return found[0](printable(place))
    return Cause(
        "unreachable",
        f"{place}: no connection could be made: {words(stopped.error)}",
        "no network leads there, or what answers is broken",
        "check the network (VPN, Wi-Fi), host and port: no CA file cures this",
    )


def _portal(error: PlainAnswerError, place: str) -> Cause:
    elsewhere = f", and sends to {error.location}" if error.location else ""
    return Cause(
        "captive-portal",
        f"{place}: what answered speaks plain HTTP instead of TLS{elsewhere}",
        "a login page of this network (captive portal) answers in the server's place",
        f"open {error.location or 'any page'} in a browser and sign in first: no CA file cures this",
    )


def _of_outcome(verdict: Tried, outcome: Outcome, agreed: Handshake, probe: Probe) -> Cause | None:
    error = outcome.stopped.error if outcome.stopped else None
    if not isinstance(error, ssl.SSLCertVerificationError):
        return of_stop(outcome.stopped, probe) if outcome.stopped else None
    if outcome.stopped and outcome.stopped.stage == "proxy":
        return _proxy_untrusted(probe, verdict, error)
    failure = Failure(
        error.verify_code,
        str(error),
        host=probe.host,
        chain=agreed.chain,
        trust=verdict.candidate.trust,
        truster=verdict.candidate.title,
    )
    return causes.of_verification(failure)


def _proxy_untrusted(probe: Probe, verdict: Tried, error: ssl.SSLCertVerificationError) -> Cause:
    return Cause(
        "proxy-untrusted",
        f"the proxy {probe.proxy} has a certificate that {verdict.candidate.title} does not verify: {words(error)}",
        "the CA of the proxy's certificate is another than that of the server's",
        "trust both: give the CA certificates of both as cafile, or one as cafile with system=True beside it where the "
        "operating system's store has the other",
    )


def asks_for_a_ca(cause: Cause) -> bool:
    """Whether the cure is to get the certificate of the CA at the top of what was presented."""
    return table.KINDS[cause.name].cure == table.THAT_CA


def outlasts_trust(cause: Cause) -> bool:
    """Whether it stays so in a block that verifies the server, since no CA file cures it."""
    return table.KINDS[cause.name].cure is None


def ask_for(chain: tuple[Certificate, ...]) -> Wanted:
    """The CA to ask IT for: its name, and its fingerprint where its own certificate was presented."""
    top = linked(chain)[-1]
    return Wanted(name=top.issuer, sha256=top.sha256 if top.self_issued else None)


def words(error: BaseException) -> str:
    """What the operating system, OpenSSL or the proxy said, on one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return printable(_SOURCE_LINE.sub("", said) or type(error).__name__)


def _unusable_variable(candidate: Candidate) -> Cause:
    return Cause(
        "unusable-variable",
        f"{candidate.title}: {candidate.problem}; a block without arguments stops at that, and so do many programs",
        "the file was moved, or the variable was copied from another machine",
        "correct the variable, or unset it",
    )


def unusable_proxy(problem: str) -> Cause:
    """Why no proxy can be gone through, in words that are known."""
    return Cause(
        "proxy-unusable",
        f"the proxy that is named for this host cannot be used: {problem}",
        "a mistake in https_proxy, or in the operating system's settings",
        "correct it: https_proxy=http://host:port, or http://user:password@host:port",
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
        "timed-out" if isinstance(error, TimeoutError) else "proxy-refused",
        f"the proxy {proxy} opened no tunnel: {words(error)}",
        "the proxy is busy or down, or something else listens there",
        "check the proxy's address; ask IT",
    )
