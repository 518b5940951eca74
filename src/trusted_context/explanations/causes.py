"""Why a verification failed: one cause, told apart by OpenSSL's code, what was presented and what was trusted."""

from __future__ import annotations

import re

from ..core.certificate import printable
from ..core.redaction import redact
from . import anchors, faults
from .failure import Cause, Failure
from .products import OF_ONES_OWN, product_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.certificate import Certificate


# X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN.
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19


def of_verification(failure: Failure) -> Cause:
    """The cause of a failed verification: always one, the likeliest."""
    explain = _BY_CODE.get(failure.code or 0, _other)
    return explain(failure)


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
    return _missing_intermediate(failure, top) or _unknown_issuer(failure, top)


def _is_namesake(top: Certificate, anchor: Certificate) -> bool:
    return top.names_as_issuer(anchor) or (top.self_issued and top.shares_its_subject(anchor) and top.der != anchor.der)


def _untrusted_unseen(failure: Failure) -> Cause:
    ask = (
        'ask IT for the CA certificate, then trusted_context("that-ca.crt"); where a browser on this machine accepts '
        "the server, trusted_context(system=True)"
    )
    likely = "a TLS-inspecting proxy, or a CA of your organisation's own"
    if failure.code == _SELF_SIGNED:
        likely = "a server or device set up without a CA; or a proxy or login page that answers in its place"
    elif failure.code != _SELF_SIGNED_IN_CHAIN:
        likely += "; or the server forgot to send an intermediate certificate"
    names = {_SELF_SIGNED: "self-signed", _SELF_SIGNED_IN_CHAIN: "unknown-root"}
    return Cause(
        names.get(failure.code or 0, "unknown-issuer"),
        f"{failure.server}: its certificate is signed by nobody whom {failure.truster} trusts",
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


def _unknown_issuer(failure: Failure, top: Certificate) -> Cause:
    return Cause(
        "unknown-issuer",
        f'{failure.server}: its certificate is signed by "{top.issuer}", which {failure.truster} does not trust',
        "a private CA of your organisation's own, or a TLS-inspecting proxy",
        _cure(failure, top, installed=True),
    )


def _missing_intermediate(failure: Failure, top: Certificate) -> Cause | None:
    if len(failure.path) > 1 or anchors.where_known(top, failure.trust):
        return None
    organisations = top.issuer_organisations
    kin = next((anchor for anchor in failure.anchors if organisations & anchor.subject_organisations), None)
    if not (kin or top.locates_its_issuer or len(failure.chain) > 1):
        return None
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
    known = anchors.where_known(top, failure.trust)
    # Of what is not sent the name alone can be compared, which anybody can give a CA.
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
    # OpenSSL's words alone: where they are part of a text, what follows is somebody else's.
    words = printable(redact(_OWN_WORDS.sub("", failure.message)))
    return Cause(
        "unverified",
        f"{failure.server}: its certificate could not be verified" + (f": {words}" if words else ""),
        "a certificate that OpenSSL or the operating system refuses for a reason of its own",
        "tell whoever runs the server",
    )


def _bad_signature(failure: Failure) -> Cause:
    return _untrusted(failure) if failure.path else _other(failure)


_OWN_WORDS = re.compile(r".*certificate verify failed: | *\(_ssl\.c:.*|\n.*", re.DOTALL)

_BY_CODE: Mapping[int, Callable[[Failure], Cause]] = {
    2: faults.anchor_is_intermediate,
    7: _bad_signature,
    9: faults.not_yet_valid,
    10: faults.expired,
    **dict.fromkeys((18, 19, 20, 21, 27), _untrusted),
    23: faults.revoked,
    **dict.fromkeys((24, 32, 79), faults.not_a_ca),  # 24 was OpenSSL 1.1.1's
    26: faults.wrong_purpose,
    **dict.fromkeys((22, 25, 47, 48), faults.not_allowed),
    62: faults.wrong_host,
    64: faults.wrong_address,
    **dict.fromkeys((66, 67, 68), faults.weak),
    **dict.fromkeys((*range(80, 94), 34), faults.strict),
}
