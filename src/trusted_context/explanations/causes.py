"""Why a verification failed: one cause, told apart by OpenSSL's code, what was presented and what was trusted."""

from __future__ import annotations

import re

from . import anchors, faults, table
from .failure import Cause, Failure
from .products import OF_ONES_OWN, product_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.certificate import Certificate


def of_verification(failure: Failure) -> Cause:
    """The cause of a failed verification: always one, the likeliest."""
    return _BY_NAME[table.of_code(failure.code)](failure)


def _untrusted(failure: Failure) -> Cause:
    """Nothing that was presented leads to what is trusted."""
    top = failure.top
    if top is None:
        return _untrusted_unseen(failure)
    product = product_of(failure.path)
    if product:
        return _inspected(failure, top, product)
    namesake = next((anchor for anchor in failure.anchors if _is_namesake(top, anchor)), None)
    if namesake is not None:
        return _same_name_other_key(failure, top, namesake)
    if top.self_issued:
        return _self_signed(failure, top) if len(failure.path) == 1 else _unknown_root(failure, top)
    return _unsent_issuer(failure, top)


def _is_namesake(top: Certificate, anchor: Certificate) -> bool:
    return top.names_as_issuer(anchor) or (top.self_issued and top.shares_its_subject(anchor) and top.der != anchor.der)


def _untrusted_unseen(failure: Failure) -> Cause:
    ask = (
        'ask IT for the CA certificate, then trusted_context("that-ca.crt"); where a browser on this machine accepts '
        "the server, trusted_context(system=True)"
    )
    likely = "a TLS-inspecting proxy, or a CA of your organisation's own"
    name = table.of_code(failure.code)
    if name == "self-signed":
        likely = "a server or device set up without a CA; or a proxy or login page that answers in its place"
    elif name != "unknown-root":
        name = "unknown-issuer"
        likely += "; or the server forgot to send an intermediate certificate"
    return Cause(
        name,
        f"{failure.server}: no CA that {failure.truster} trusts has signed its certificate",
        likely,
        f"trusted-context check HOST tells which; {ask}",
    )


def _inspected(failure: Failure, top: Certificate, product: str) -> Cause:
    return Cause(
        "inspected",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        f"a TLS-inspecting product, {product} by the issuer's name, answers in the server's place",
        _cure(failure, top, installed=True, program=product if product in OF_ONES_OWN else None),
    )


def _unknown_root(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-root",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a TLS-inspecting proxy that answers in the server's place, or a private CA of whoever runs the server",
        _cure(failure, top, installed=True),
    )


def _unsent_issuer(failure: Failure, top: Certificate) -> Cause:
    """The issuer is not trusted, and was not sent: of a root that is right (RFC 8446, 4.4.2), of others a mistake."""
    if failure.found_in:
        return _unknown_issuer(failure, top)
    kin = _kin(top, failure.anchors)
    sounds_intermediate = _INTERMEDIATE.search(top.issuer) is not None
    sounds_root = not sounds_intermediate and "root" in top.issuer.lower()
    if kin and (sounds_root or (not sounds_intermediate and _stem(top.issuer) == _stem(kin.subject))):
        return _new_root(failure, top, kin)
    if len(failure.path) > 1 or sounds_root:
        return _unknown_issuer(failure, top)
    # A private root may well say where it can be had, as Windows' CAs do by default; a public one signs no server
    # itself (CA/Browser Forum, Baseline Requirements, 6.1.7).
    is_located = top.locates_its_issuer and (kin is None or len(failure.anchors) > _LARGEST_PRIVATE)
    if len(failure.chain) > 1 or is_located or (kin and sounds_intermediate):
        return _missing_intermediate(failure, top, kin)
    return _root_or_intermediate(failure, top, kin) if kin else _unknown_issuer(failure, top)


# How organisations call a CA that is no root.
_INTERMEDIATE = re.compile(r"intermediate|issuing|subordinate|\bsub[- ]?ca\b", re.IGNORECASE)
_GENERATION = re.compile(r"\d+|\b[ivx]{1,4}\b|\b[grv](?=\d|\b)|[\W_]+", re.IGNORECASE)


# A bundle of more CAs than these holds the public ones.
_LARGEST_PRIVATE = 50


def _kin(top: Certificate, anchors: tuple[Certificate, ...]) -> Certificate | None:
    """The anchor that is an earlier or later generation of the unsent issuer, else one of the same organisation."""
    stem, organisations = _stem(top.issuer), top.issuer_organisations
    generation = next((anchor for anchor in anchors if stem and _stem(anchor.subject) == stem), None)
    return generation or next((anchor for anchor in anchors if organisations & anchor.subject_organisations), None)


def _stem(name: str) -> str:
    """A CA's name without what tells one generation from the next: numbers, years, and "G2" or "R3"."""
    return _GENERATION.sub("", name).lower()


def _new_root(failure: Failure, top: Certificate, kin: Certificate) -> Cause:
    return Cause(
        "new-root",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust, '
        f'though it trusts "{kin.subject}"',
        f'"{top.issuer}" is a newer root CA of the same organisation, and the CA file is older than it; or it is an '
        "intermediate CA whose certificate the server forgot to send",
        _get_the_issuer(top),
    )


def _root_or_intermediate(failure: Failure, top: Certificate, kin: Certificate) -> Cause:
    return Cause(
        "unknown-issuer",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        f'a newer root CA of the organisation that "{kin.subject}" belongs to; or an intermediate CA of it, whose '
        "certificate the server forgot to send",
        _get_the_issuer(top),
    )


def _get_the_issuer(top: Certificate) -> str:
    return (
        f'ask IT for the CA certificate "{top.issuer}", then trusted_context(["your-ca.crt", "that-ca.crt"]); if it is '
        "an intermediate CA's, whoever runs the server should send it"
    )


def _unknown_issuer(failure: Failure, top: Certificate) -> Cause:
    likely = "a private CA of your organisation's own, or a TLS-inspecting proxy"
    if failure.trust is None or failure.trust.native or any(anchor.self_issued for anchor in failure.anchors):
        likely += "; or the server may have forgotten to send an intermediate CA's certificate"
    return Cause(
        "unknown-issuer",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        likely,
        _cure(failure, top, installed=True),
    )


def _missing_intermediate(failure: Failure, top: Certificate, kin: Certificate | None) -> Cause:
    given = '"intermediate.crt", system=True'
    if kin:
        given = '["your-ca.crt", "intermediate.crt"]'
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA of "{kin.subject}"\'s organisation'
    else:
        likely = f'the server forgot to send "{top.issuer}", an intermediate CA; browsers fetch or remember it'
    return Cause(
        "missing-intermediate",
        f'{failure.server}: the certificate of its issuer "{top.issuer}" was not sent, and is not trusted itself',
        likely,
        "tell whoever runs the server to send the whole chain; until then get that certificate (a browser exports it) "
        f"and trust it too: trusted_context({given})",
    )


def _same_name_other_key(failure: Failure, top: Certificate, namesake: Certificate) -> Cause:
    return Cause(
        "same-name-other-key",
        f'{failure.server}: its certificate is signed by a CA named "{namesake.subject}", but not by the one of that '
        f"name that {failure.truster} trusts (sha256 {namesake.sha256})",
        "the CA was renewed with a new key, and the CA file is the old one",
        _cure(failure, top, installed=False),
    )


def _self_signed(failure: Failure, leaf: Certificate) -> Cause:
    return Cause(
        "self-signed",
        f'{failure.server}: its certificate, "{leaf.subject}", is signed by itself and by no CA',
        "a server or device set up without a CA, or a login page (captive portal) of this network in its place",
        "if whoever runs the server confirms that sha256, save its certificate as a file: "
        'trusted_context("that-server.crt")',
    )


def _cure(failure: Failure, top: Certificate, *, installed: bool, program: str | None = None) -> str:
    """How to trust the CA that *top* is, or names as its issuer."""
    known = failure.found_in
    # A CA certificate that was not sent can be compared by its name alone, and anybody can give a CA that name.
    has_it = "has this CA" if top.self_issued else "has a CA of that name"
    if known == "system":
        both = '; where other hosts need your own, trusted_context("your-ca.crt", system=True)' if failure.trust else ""
        return f"trusted_context(system=True): the operating system's store {has_it}{both}"
    if known == "certifi":
        return f"import certifi; trusted_context(certifi.where()): certifi's bundle {has_it}"
    name = f'"{top.issuer}"'
    what = f"{name} with the sha256 presented" if top.self_issued else name
    get = (
        f"export {program}'s CA certificate {what} from its settings"
        if program
        else f"ask IT for the CA certificate {what}"
    )
    ask = f'{get}, then trusted_context("that-ca.crt")'
    if installed and anchors.system_may_know(failure.trust):
        return f"trusted_context(system=True) where a browser on this machine accepts it; else {ask}"
    return ask


def _other(failure: Failure) -> Cause:
    words = failure.words
    return Cause(
        "unverified",
        f"{failure.server}: its certificate could not be verified" + (f": {words}" if words else ""),
        "a certificate that OpenSSL or the operating system refuses for a reason of its own",
        "tell whoever runs the server",
    )


def _bad_signature(failure: Failure) -> Cause:
    return _untrusted(failure) if failure.path else _other(failure)


# By the cause that a code means where nothing more is known.
_BY_NAME: Mapping[str, Callable[[Failure], Cause]] = {
    **dict.fromkeys(("unknown-issuer", "unknown-root", "self-signed"), _untrusted),
    "same-name-other-key": _bad_signature,
    "anchor-is-intermediate": faults.anchor_is_intermediate,
    "not-yet-valid": faults.not_yet_valid,
    "expired": faults.expired,
    "revoked": faults.revoked,
    "wrong-host": faults.wrong_host,
    "wrong-address": faults.wrong_address,
    "issuer-not-a-ca": faults.not_a_ca,
    "wrong-purpose": faults.wrong_purpose,
    "not-allowed": faults.not_allowed,
    "weak-key": faults.weak,
    "strict": faults.strict,
    "unverified": _other,
}
