"""Causes that lie in a certificate itself: its dates, names, key, purpose and form."""

from __future__ import annotations

import time

from .failure import Cause, Failure, day
from .table import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.certificate import Certificate


def not_yet_valid(failure: Failure) -> Cause:
    """A certificate whose validity has not begun (OpenSSL's 9)."""
    late = next((one for one in failure.path if one.not_before and one.not_before > time.time()), None)
    whose = _whose(failure, late)
    begins = f" until {day(late.not_before)}" if late else ""
    return Cause(
        "not-yet-valid",
        f"{failure.server}: {whose} is not valid{begins}, and this machine's date is {day(time.time())}",
        "this machine's clock is wrong" if not late else "this machine's clock is wrong, or that certificate is new",
        "set the clock (date; timedatectl set-ntp true); if the date above is right, tell whoever runs the server",
    )


def expired(failure: Failure) -> Cause:
    """A certificate whose validity is over (10)."""
    now = time.time()
    over = next((one for one in failure.path if one.not_after and one.not_after < now), None)
    anchor = None if over and not over.self_issued else _expired_anchor(failure, now)
    if anchor is not None:
        return Cause(
            "expired-root",
            f'{failure.server}: the trusted CA "{anchor.subject}" expired on {day(anchor.not_after)}; '
            f"this machine's date is {day(now)}",
            "the CA was renewed, and the CA file is the old one",
            f'ask IT for the new certificate of "{anchor.subject}", then trusted_context("new-ca.crt"); or, where the '
            "system is kept up to date, trusted_context(system=True)",
        )
    ended = f" expired on {day(over.not_after)}" if over else " has expired"
    what = f"{failure.server}: {_whose(failure, over)}{ended}; this machine's date is {day(now)}"
    if over is not None and over is not failure.leaf:
        return Cause(
            "expired-intermediate",
            what,
            "whoever runs the server renewed its own certificate and not the CA's that it sends along",
            "tell whoever runs the server to send the renewed chain; if you can get the renewed CA certificate, "
            'trusted_context("renewed-ca.crt", system=True)',
        )
    return Cause(
        "expired",
        what,
        "whoever runs the server forgot to renew it; or this machine's clock is wrong",
        "check the date; tell whoever runs the server, or look for another mirror: no CA file cures this; "
        + failure.last_resort,
    )


def _expired_anchor(failure: Failure, now: float) -> Certificate | None:
    ended = (anchor for anchor in failure.anchors if anchor.not_after and anchor.not_after < now)
    return next(
        (one for one in ended if any(link.der == one.der or link.names_as_issuer(one) for link in failure.path)), None
    )


def _whose(failure: Failure, certificate: Certificate | None) -> str:
    if certificate is None or certificate is failure.leaf:
        return "its certificate"
    return f'the certificate of its CA "{certificate.subject}"'


def wrong_host(failure: Failure) -> Cause:
    """A certificate for other names (62)."""
    leaf = failure.leaf
    if leaf is not None and not leaf.names:
        return Cause(
            "no-names",
            f'{failure.server}: its certificate names no host: it has only a common name, "{leaf.subject}", which '
            "urllib3 and browsers no longer read (RFC 9525)",
            "an old or home-made certificate without subjectAltName",
            "tell whoever runs the server to issue one with subjectAltName: no CA file cures this; "
            + failure.last_resort,
        )
    named = f"valid for {_listed(leaf.names)}, not for this host" if leaf else "not valid for this name"
    return Cause(
        "wrong-host",
        f"{failure.server}: its certificate is {named}",
        "a mistake in the name or an alias of the server; or something else answers in its place: a captive portal's "
        "login page, a proxy, a wrong DNS entry",
        "ask for the server by a name that its certificate has; on a guest network open a browser and log in first: "
        "no CA file cures this",
    )


def wrong_address(failure: Failure) -> Cause:
    """A certificate that does not hold the IP address asked for (64)."""
    leaf = failure.leaf
    named = f"is valid for {_listed(leaf.names)}, not" if leaf and leaf.names else "is not valid"
    return Cause(
        "wrong-address",
        f"{failure.server}: its certificate {named} for this IP address",
        "the URL has the server's IP address, and the certificate is for names only",
        "use the server's name in the URL instead of its address",
    )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN]) or "no name"
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


_NAMES_SHOWN = 3


def not_a_ca(failure: Failure) -> Cause:
    """An issuer that is not a CA (24, 32, 79)."""
    issuer = f'"{failure.leaf.issuer}"' if failure.leaf else "a certificate"
    return Cause(
        "issuer-not-a-ca",
        f"{failure.server}: its certificate is signed by {issuer}, which is not a CA and may not sign certificates",
        "a home-made CA whose certificate lacks basicConstraints CA:TRUE; or an attempt to pass for the server",
        "make the CA's certificate again with basicConstraints CA:TRUE, or ask IT for one: no CA file cures this",
    )


def wrong_purpose(failure: Failure) -> Cause:
    """A certificate issued for something other than a server (26)."""
    return Cause(
        "wrong-purpose",
        f"{failure.server}: its certificate, or that of a CA above it, was not issued for TLS servers",
        "a client's or a mail user's certificate was installed on the server (extendedKeyUsage without serverAuth)",
        "tell whoever runs the server to install a certificate for TLS servers: no CA file cures this; "
        + failure.last_resort,
    )


def weak(failure: Failure) -> Cause:
    """A key or signature that OpenSSL's security level refuses (66 to 68)."""
    weak = {
        66: "its certificate's key is",
        67: "the key of a CA above it is",
        68: "a CA's certificate above it is signed with a hash (SHA-1, MD5) that is",
    }
    return Cause(
        "weak-key",
        f"{failure.server}: {weak[failure.code or 66]} too weak for this OpenSSL",
        "an old certificate or device: RSA needs 2048 bits, and signatures SHA-256",
        "tell whoever runs the server to renew it with RSA 2048 or more: no CA file cures this; " + failure.last_resort,
    )


def strict(failure: Failure) -> Cause:
    """A rule of RFC 5280 that only strict verification checks (34, 80 to 93)."""
    words = WORDS.get(failure.code or 0) or "it breaks a rule of RFC 5280"
    ours = failure.trust is not None and failure.trust.strict
    cure = (
        "leave out strict=True"
        if ours
        else "trusted_context(...) verifies without it; for a context of your own: "
        "context.verify_flags &= ~ssl.VERIFY_X509_STRICT"
    )
    return Cause(
        "strict",
        f"{failure.server}: a certificate fails the strict checks: {words}",
        "a corporate or home-made CA that browsers and curl accept, and strict verification (VERIFY_X509_STRICT, the "
        "default of Python 3.13's create_default_context()) does not",
        f"{cure}; or ask IT for a CA certificate that follows RFC 5280",
    )


def anchor_is_intermediate(failure: Failure) -> Cause:
    """A trusted intermediate CA whose own issuer is not trusted (2)."""
    top = failure.anchors[0].subject if len(failure.anchors) == 1 else None
    named = f' ("{top}")' if top else ""
    return Cause(
        "anchor-is-intermediate",
        f"{failure.server}: the chain ends at a trusted intermediate CA{named}, whose own issuer is not trusted",
        "the CA file holds an intermediate CA and not the root; a context made without VERIFY_X509_PARTIAL_CHAIN "
        "accepts a root alone as the end of a chain",
        'trusted_context("that-file.crt") accepts it; or ask IT for the root',
    )


def revoked(failure: Failure) -> Cause:
    """A revoked certificate (23)."""
    return Cause(
        "revoked",
        f"{failure.server}: its certificate was revoked by its issuer",
        "its key was lost or stolen, or the server moved",
        "do not go on: tell whoever runs the server",
    )


def not_allowed(failure: Failure) -> Cause:
    """A CA above that may not sign for this name or at this depth (22, 25, 47, 48)."""
    return Cause(
        "not-allowed",
        f"{failure.server}: a CA above its certificate may not sign for this name, or not at this depth "
        f"({WORDS.get(failure.code or 0, 'a constraint')})",
        "a CA limited to other names or to fewer levels (RFC 5280, name and path length constraints)",
        "tell whoever runs the server or the CA: no CA file cures this",
    )
