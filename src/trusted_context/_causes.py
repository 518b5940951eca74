"""Why a verification failed: one cause, told apart by OpenSSL's code, what was presented and what was trusted."""

from __future__ import annotations

from . import _anchors, _faults
from ._certificate import printable
from ._failure import Cause, Failure
from ._products import product_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._certificate import Certificate

def of_verification(failure: Failure) -> Cause:
    """The cause of a failed verification: always one, the likeliest."""
    explain = _BY_CODE.get(failure.code or 0, _other)
    return explain(failure)


def _untrusted(failure: Failure) -> Cause:
    """Nothing that was presented leads to what is trusted."""
    top = failure.top
    if top is None:
        return _untrusted_unseen(failure)
    product = product_of(failure.chain)
    if product:
        return _inspected(failure, top, product)
    namesake = next((anchor for anchor in failure.anchors if _is_namesake(top, anchor)), None)
    if namesake is not None:
        return _same_name_other_key(failure, top, namesake)
    if top.self_issued:
        return _self_signed(failure) if len(failure.path) == 1 else _unknown_root(failure, top)
    return _missing_intermediate(failure, top) or _unknown_issuer(failure, top)


def _is_namesake(top: Certificate, anchor: Certificate) -> bool:
    return top.names_as_issuer(anchor) or (top.self_issued and top.shares_its_subject(anchor) and top.der != anchor.der)


def _untrusted_unseen(failure: Failure) -> Cause:
    names = {18: "self-signed", 19: "unknown-root"}
    return Cause(
        names.get(failure.code or 0, "unknown-issuer"),
        f"{failure.server}: its certificate is signed by nobody whom {failure.truster} trusts",
        "a TLS-inspecting proxy, or a CA of your organisation's own",
        'ask IT for the CA certificate, then trusted_context("that-ca.crt"); where a browser on this machine accepts '
        "the server, trusted_context(system=True)",
    )


def _inspected(failure: Failure, top: Certificate, product: str) -> Cause:
    return Cause(
        "inspected",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        f"a TLS-inspecting product, {product} by the issuer's name, answers in the server's place",
        _cure(failure, top, installed=True),
    )


def _unknown_root(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-root",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a TLS-inspecting proxy that answers in the server's place, or a private CA of whoever runs the server",
        _cure(failure, top, installed=True),
    )


def _unknown_issuer(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-issuer",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a private CA of your organisation's own, or a TLS-inspecting proxy",
        _cure(failure, top, installed=True),
    )


def _missing_intermediate(failure: Failure, top: Certificate) -> Cause | None:
    if len(failure.path) > 1 or _anchors.where_known(top, failure.trust):
        return None
    organisations = top.issuer_organisations
    kin = next((anchor for anchor in failure.anchors if organisations & anchor.subject_organisations), None)
    if not (kin or top.locates_its_issuer or len(failure.chain) > 1):
        return None
    if kin:
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA of "{kin.subject}"\'s organisation'
    else:
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA; browsers fetch or remember it'
    return Cause(
        "missing-intermediate",
        f'{failure.server}: the certificate of its issuer "{top.issuer}" was not sent, and is not trusted itself',
        likely,
        "tell whoever runs the server to send the whole chain; until then get that certificate (a browser exports it) "
        'and trust it too: trusted_context("intermediate.crt", system=True)',
    )


def _same_name_other_key(failure: Failure, top: Certificate, namesake: Certificate) -> Cause:
    return Cause(
        "same-name-other-key",
        f'{failure.server}: its certificate is signed by a CA named "{namesake.subject}", but not by the one of that '
        f"name that {failure.truster} trusts (sha256 {namesake.sha256})",
        "the CA was renewed with a new key, and the CA file is the old one",
        _cure(failure, top, installed=False),
    )


def _self_signed(failure: Failure) -> Cause:
    leaf = failure.leaf
    if leaf is None:
        return _untrusted_unseen(failure)
    product = product_of(failure.chain)
    if product:
        return _inspected(failure, leaf, product)
    namesake = next((anchor for anchor in failure.anchors if _is_namesake(leaf, anchor)), None)
    if namesake is not None:
        return _same_name_other_key(failure, leaf, namesake)
    return Cause(
        "self-signed",
        f'{failure.server}: its certificate, "{leaf.subject}", is signed by itself and by no CA',
        "a server or device set up without a CA, or a login page (captive portal) of this network in its place",
        "if whoever runs the server confirms that sha256, save its certificate as a file: "
        'trusted_context("that-server.crt")',
    )


def _cure(failure: Failure, top: Certificate, *, installed: bool) -> str:
    """How to trust the CA that *top* is, or names as its issuer."""
    known = _anchors.where_known(top, failure.trust)
    if known == "system":
        return "trusted_context(system=True): the operating system's store has this CA"
    if known == "certifi":
        return "import certifi; trusted_context(certifi.where()): certifi's bundle has this CA"
    name = f'"{top.issuer}"'
    what = f"{name} with that sha256" if top.self_issued else name
    ask = f'ask IT for the CA certificate {what}, then trusted_context("that-ca.crt")'
    if installed and _anchors.system_is_untried(failure.trust):
        return f"trusted_context(system=True) where a browser on this machine accepts it; else {ask}"
    return ask


def _other(failure: Failure) -> Cause:
    words = printable(failure.message.partition("verify failed: ")[2] or failure.message)
    return Cause(
        "unverified",
        f"{failure.server}: its certificate could not be verified" + (f": {words}" if words else ""),
        "a certificate that OpenSSL or the operating system refuses for a reason of its own",
        "tell whoever runs the server",
    )


def _bad_signature(failure: Failure) -> Cause:
    return _untrusted(failure) if failure.path else _other(failure)


_BY_CODE.get(failure.code or 0, _other)
    return explain(failure)


def _untrusted(failure: Failure) -> Cause:
    """Nothing that was presented leads to what is trusted."""
    top = failure.top
    if top is None:
        return _untrusted_unseen(failure)
    product = product_of(failure.chain)
    if product:
        return _inspected(failure, top, product)
    namesake = next((anchor for anchor in failure.anchors if _is_namesake(top, anchor)), None)
    if namesake is not None:
        return _same_name_other_key(failure, top, namesake)
    if top.self_issued:
        return _self_signed(failure) if len(failure.path) == 1 else _unknown_root(failure, top)
    return _missing_intermediate(failure, top) or _unknown_issuer(failure, top)


def _is_namesake(top: Certificate, anchor: Certificate) -> bool:
    return top.names_as_issuer(anchor) or (top.self_issued and top.shares_its_subject(anchor) and top.der != anchor.der)


def _untrusted_unseen(failure: Failure) -> Cause:
    names = {18: "self-signed", 19: "unknown-root"}
    return Cause(
        names.get(failure.code or 0, "unknown-issuer"),
        f"{failure.server}: its certificate is signed by nobody whom {failure.truster} trusts",
        "a TLS-inspecting proxy, or a CA of your organisation's own",
        'ask IT for the CA certificate, then trusted_context("that-ca.crt"); where a browser on this machine accepts '
        "the server, trusted_context(system=True)",
    )


def _inspected(failure: Failure, top: Certificate, product: str) -> Cause:
    return Cause(
        "inspected",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        f"a TLS-inspecting product, {product} by the issuer's name, answers in the server's place",
        _cure(failure, top, installed=True),
    )


def _unknown_root(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-root",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a TLS-inspecting proxy that answers in the server's place, or a private CA of whoever runs the server",
        _cure(failure, top, installed=True),
    )


def _unknown_issuer(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-issuer",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a private CA of your organisation's own, or a TLS-inspecting proxy",
        _cure(failure, top, installed=True),
    )


def _missing_intermediate(failure: Failure, top: Certificate) -> Cause | None:
    if len(failure.path) > 1 or _anchors.where_known(top, failure.trust):
        return None
    organisations = top.issuer_organisations
    kin = next((anchor for anchor in failure.anchors if organisations & anchor.subject_organisations), None)
    if not (kin or top.locates_its_issuer or len(failure.chain) > 1):
        return None
    if kin:
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA of "{kin.subject}"\'s organisation'
    else:
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA; browsers fetch or remember it'
    return Cause(
        "missing-intermediate",
        f'{failure.server}: the certificate of its issuer "{top.issuer}" was not sent, and is not trusted itself',
        likely,
        "tell whoever runs the server to send the whole chain; until then get that certificate (a browser exports it) "
        'and trust it too: trusted_context("intermediate.crt", system=True)',
    )


def _same_name_other_key(failure: Failure, top: Certificate, namesake: Certificate) -> Cause:
    return Cause(
        "same-name-other-key",
        f'{failure.server}: its certificate is signed by a CA named "{namesake.subject}", but not by the one of that '
        f"name that {failure.truster} trusts (sha256 {namesake.sha256})",
        "the CA was renewed with a new key, and the CA file is the old one",
        _cure(failure, top, installed=False),
    )


def _self_signed(failure: Failure) -> Cause:
    leaf = failure.leaf
    if leaf is None:
        return _untrusted_unseen(failure)
    product = product_of(failure.chain)
    if product:
        return _inspected(failure, leaf, product)
    namesake = next((anchor for anchor in failure.anchors if _is_namesake(leaf, anchor)), None)
    if namesake is not None:
        return _same_name_other_key(failure, leaf, namesake)
    return Cause(
        "self-signed",
        f'{failure.server}: its certificate, "{leaf.subject}", is signed by itself and by no CA',
        "a server or device set up without a CA, or a login page (captive portal) of this network in its place",
        "if whoever runs the server confirms that sha256, save its certificate as a file: "
        'trusted_context("that-server.crt")',
    )


def _cure(failure: Failure, top: Certificate, *, installed: bool) -> str:
    """How to trust the CA that *top* is, or names as its issuer."""
    known = _anchors.where_known(top, failure.trust)
    if known == "system":
        return "trusted_context(system=True): the operating system's store has this CA"
    if known == "certifi":
        return "import certifi; trusted_context(certifi.where()): certifi's bundle has this CA"
    name = f'"{top.issuer}"'
    what = f"{name} with that sha256" if top.self_issued else name
    ask = f'ask IT for the CA certificate {what}, then trusted_context("that-ca.crt")'
    if installed and _anchors.system_is_untried(failure.trust):
        return f"trusted_context(system=True) where a browser on this machine accepts it; else {ask}"
    return ask


def _faults.not_yet_valid(failure: Failure) -> Cause:
    late = next((one for one in failure.path if one.not_before and one.not_before > time.time()), None)
    whose = _whose(failure, late)
    begins = f" until {day(late.not_before)}" if late else ""
    return Cause(
        "not-yet-valid",
        f"{failure.server}: {whose} is not valid{begins}, and this machine's date is {day(time.time())}",
        "this machine's clock is wrong" if not late else "this machine's clock is wrong, or that certificate is new",
        "set the clock (date; timedatectl set-ntp true); if the date above is right, tell whoever runs the server",
    )


def _faults.expired(failure: Failure) -> Cause:
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
            "tell whoever runs the server to send the renewed chain; if the renewed CA certificate is to be had, "
            'trusted_context("renewed-ca.crt", system=True)',
        )
    return Cause(
        "expired",
        what,
        "whoever runs the server forgot to renew it; or this machine's clock is wrong",
        "check the date; tell whoever runs the server, or look for another mirror: no CA file cures this; "
        + failure.at_any_cost,
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


def _faults.wrong_host(failure: Failure) -> Cause:
    leaf = failure.leaf
    if leaf is not None and not leaf.names:
        return Cause(
            "no-names",
            f'{failure.server}: its certificate names no host: it has only a common name, "{leaf.subject}", which '
            "Python and browsers no longer read (RFC 9525)",
            "an old or home-made certificate without subjectAltName",
            "tell whoever runs the server to issue one with subjectAltName: no CA file cures this; "
            + failure.at_any_cost,
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


def _faults.wrong_address(failure: Failure) -> Cause:
    leaf = failure.leaf
    named = f"is valid for {_listed(leaf.names)}" if leaf and leaf.names else "names no address"
    return Cause(
        "wrong-address",
        f"{failure.server}: its certificate {named}, not for this IP address",
        "the server was asked for by its address, and its certificate holds names",
        "use the server's name in the URL instead of its address",
    )


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN]) or "no name"
    return f"{shown} and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else shown


_NAMES_SHOWN = 3


def _faults.not_a_ca(failure: Failure) -> Cause:
    issuer = f'"{failure.leaf.issuer}"' if failure.leaf else "a certificate"
    return Cause(
        "issuer-not-a-ca",
        f"{failure.server}: its certificate is signed with that of {issuer}, which is not a CA's and may sign nothing",
        "a home-made CA without the mark of one (basicConstraints CA:TRUE); else an attempt to pass for the server",
        "make the CA's certificate again with basicConstraints CA:TRUE, or ask IT for one: no CA file cures this",
    )


def _faults.wrong_purpose(failure: Failure) -> Cause:
    return Cause(
        "wrong-purpose",
        f"{failure.server}: its certificate, or a CA's above it, was issued for another purpose than a server's",
        "a client's or a mail user's certificate was installed on the server (extendedKeyUsage without serverAuth)",
        "tell whoever runs the server to install one for TLS servers: no CA file cures this; " + failure.at_any_cost,
    )


def _faults.weak(failure: Failure) -> Cause:
    weak = {
        66: "its certificate's key is",
        67: "the key of a CA above it is",
        68: "a CA's certificate above it is signed with a hash (SHA-1, MD5) that is",
    }
    return Cause(
        "weak-key",
        f"{failure.server}: {weak[failure.code or 66]} too weak for this OpenSSL",
        "an old certificate or device: RSA needs 2048 bits, and signatures SHA-256",
        "tell whoever runs the server to renew it with RSA 2048 or more: no CA file cures this; " + failure.at_any_cost,
    )


def _faults.strict(failure: Failure) -> Cause:
    words = _WORDS.get(failure.code or 0) or "it breaks a rule of RFC 5280"
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
        "a corporate or home-made CA that strict verification (VERIFY_X509_STRICT, the default of Python 3.13's "
        "create_default_context()) refuses, and browsers and curl accept",
        f"{cure}; or ask IT for a CA certificate that follows RFC 5280",
    )


def _faults.anchor_is_intermediate(failure: Failure) -> Cause:
    top = failure.anchors[0].subject if len(failure.anchors) == 1 else None
    named = f' ("{top}")' if top else ""
    return Cause(
        "anchor-is-intermediate",
        f"{failure.server}: the chain ends at a trusted intermediate CA{named}, whose own issuer is not trusted",
        "the CA file holds an intermediate CA and not the root; a context made without VERIFY_X509_PARTIAL_CHAIN "
        "takes only a root for the end",
        'trusted_context("that-file.crt") accepts it; or ask IT for the root',
    )


def _faults.revoked(failure: Failure) -> Cause:
    return Cause(
        "revoked",
        f"{failure.server}: its certificate was revoked by its issuer",
        "its key was lost or stolen, or the server moved",
        "do not go on: tell whoever runs the server",
    )


def _faults.not_allowed(failure: Failure) -> Cause:
    return Cause(
        "not-allowed",
        f"{failure.server}: a CA above its certificate may not sign for this name, or not at this depth "
        f"({_WORDS.get(failure.code or 0, 'a constraint')})",
        "a CA limited to other names or to fewer levels (RFC 5280, name and path length constraints)",
        "tell whoever runs the server or the CA: no CA file cures this",
    )


def _other(failure: Failure) -> Cause:
    words = printable(failure.message.partition("verify failed: ")[2] or failure.message)
    return Cause(
        "unverified",
        f"{failure.server}: its certificate could not be verified" + (f": {words}" if words else ""),
        "a certificate that OpenSSL or the operating system refuses for a reason of its own",
        "tell whoever runs the server",
    )


def _bad_signature(failure: Failure) -> Cause:
    return _untrusted(failure) if failure.path else _other(failure)


_BY_CODE: Mapping[int, Callable[[Failure], Cause]] = {
    2: _faults.anchor_is_intermediate,
    7: _bad_signature,
    9: _faults.not_yet_valid,
    10: _faults.expired,
    18: _self_signed,
    **dict.fromkeys((19, 20, 21, 27), _untrusted),
    23: _faults.revoked,
    **dict.fromkeys((24, 32, 79), _faults.not_a_ca),  # 24 was OpenSSL 1.1.1's
    26: _faults.wrong_purpose,
    **dict.fromkeys((22, 25, 47, 48), _faults.not_allowed),
    62: _faults.wrong_host,
    64: _faults.wrong_address,
    **dict.fromkeys((66, 67, 68), _faults.weak),
    **dict.fromkeys((*range(80, 94), 34), _faults.strict),
}

