"""The findings of a check as rows of text, in the order in which a person wants them."""

from __future__ import annotations

from ..core.hosts import authority
from .document import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .findings import Certifi, Findings, Setting

_STEPS = {"lookup": "name", "connection": "connection", "proxy": "proxy", "tls": "TLS"}


class Row:
    """One row of a report: ``mark`` is ``"ok"``, ``"FAIL"``, ``"!"`` or nothing."""

    __slots__ = ("label", "mark", "text")

    def __init__(self, mark: str, label: str, text: str) -> None:
        self.mark: str = mark
        self.label: str = label
        self.text: str = clean(text)


def title(findings: Findings) -> str:
    """The server, and in a word how it fared."""
    place = authority(findings.host, findings.port)
    if findings.works:
        return f"{place}: verified"
    return f"{place}: not verified" if findings.verdicts else f"{place}: not reached"


def rows(findings: Findings) -> Iterator[Row]:
    """The facts."""
    yield from _of_machine(findings)
    yield from _of_stores(findings)
    yield from _of_way(findings)
    yield from _of_chain(findings)
    yield from _of_verdicts(findings)
    for remark in findings.remarks:
        yield Row("!", "cafile", remark)
    for client in findings.clients:
        yield Row("!", "not reached", f"{client.name} {client.version}, by any block: it {client.reads}")
    yield from _of_explanation(findings)


def _of_machine(findings: Findings) -> Iterator[Row]:
    machine = findings.machine
    versions = f"{machine.openssl}, trusted-context {machine.trusted_context}"
    yield Row("", "python", f"{machine.python} ({machine.implementation}), {versions}")
    yield Row("", "machine", f"{machine.platform}, clock {machine.clock}")
    if machine.missing:
        yield Row("!", "missing", f"not installed: {', '.join(machine.missing)}; a check does without them")
    named = [variable for variable in findings.variables if variable.value]
    for variable in named:
        yield _of_setting("variable", f"{variable.name}={variable.value}", variable)
    if not named:
        yield Row("", "variables", "none names a bundle")
    for setting in findings.settings:
        value = f"={setting.value}" if setting.value else ""
        yield _of_setting("setting", f"{setting.name}{value} in {setting.file}", setting)


def _of_setting(label: str, what: str, setting: Setting) -> Row:
    decides = " (what trusted_context() goes by)" if setting.decides else ""
    remedy = "" if setting.usable else "; correct it, or unset it"
    return Row("ok" if setting.usable else "FAIL", label, f"{what}: {setting.finding}{remedy}{decides}")


def _of_stores(findings: Findings) -> Iterator[Row]:
    yield _of_certifi(findings.certifi)
    system = findings.system
    count = "" if system.certificates is None else f": {system.certificates} certificates"
    if system.description:
        yield Row("ok", "system", f"{system.description}{count}")
    else:
        yield Row("!", "system", "the operating system's store holds no CA: install the package ca-certificates")


def _of_certifi(certifi: Certifi) -> Row:
    if certifi.version is None:
        return Row("", "certifi", "not installed")
    if certifi.problem:
        return Row("FAIL", "certifi", f"{certifi.version}: {certifi.problem}")
    age = "" if certifi.age_in_days is None else f", {certifi.age_in_days} days old"
    text = f"{certifi.version}{age}: {certifi.certificates} certificates"
    if certifi.upgrade:
        return Row("!", "certifi", f"{text}; newer CAs are missing in it: {certifi.upgrade}")
    return Row("ok", "certifi", text)


def _of_way(findings: Findings) -> Iterator[Row]:
    proxy = findings.proxy
    named = proxy.told.get("https") or proxy.told.get("all")
    if proxy.problem:
        yield Row("FAIL", "proxy", proxy.used or named or "unknown")
    elif proxy.excepted:
        yield Row("", "proxy", f"none for this host, by no_proxy={proxy.told.get('no', '')}")
    else:
        yield Row("", "proxy", named if proxy.used and named else "none")
    for remark in proxy.remarks:
        yield Row("!", "proxy", remark)
    for step in findings.steps:
        yield Row("ok" if step.result == "passed" else "FAIL", _STEPS[step.name], step.text)
    tls = findings.tls
    if tls and tls.asks_for_client_certificate:
        text = "the server asks for a client certificate"
        yield Row("!", "TLS", f"{text}, and refuses without one: {tls.refused}" if tls.refused else text)


def _of_chain(findings: Findings) -> Iterator[Row]:
    for place, certificate in enumerate(findings.chain, 1):
        is_root = certificate.subject == certificate.issuer
        signer = "itself" if is_root else f'"{certificate.issuer_name}"'
        yield Row("", f"presented {place}", f'"{certificate.name}", signed by {signer}')
        yield Row("", "  valid", f"{certificate.not_before} to {certificate.not_after}")
        if place == 1:
            more = certificate.count_of_names - len(certificate.names)
            names = ", ".join(certificate.names) or "no host at all"
            yield Row("", "  for", f"{names}{f' and {more} more' if more else ''}")
        yield Row("", "  sha256", certificate.sha256)
    more = findings.chain_length - len(findings.chain)
    if more:
        yield Row("!", "presented", f"and {more} certificates more")
    if findings.product:
        yield Row("!", "inspected", f"by {findings.product}, as the issuer's name says: it answers for the server")


def _of_verdicts(findings: Findings) -> Iterator[Row]:
    if findings.searched:
        yield Row("", "searched", f"this machine for the CA: {findings.searched}")
    for verdict in findings.verdicts:
        if verdict.works:
            refused = verdict.works_strictly is False
            but = f"; Python 3.13's strictness refuses it: {verdict.message_strictly}" if refused else ""
            yield Row("ok", "trust", f"{verdict.title}: verified{but}")
        elif verdict.works is None:
            yield Row("!", "trust", f"{verdict.title}: no answer in time")
        else:
            yield Row("FAIL", "trust", f"{verdict.title}: {verdict.message}")
        for place in verdict.elsewhere[:3]:
            yield Row("", "  also in", place)
    if not findings.works:
        for store in findings.unread:
            yield Row("!", "not read", f"{store.path}: {store.reason}; what is in it is listed by: {store.command}")


def _of_explanation(findings: Findings) -> Iterator[Row]:
    explanation = findings.explanation
    if explanation is None:
        if findings.works:
            text = "all that there is on this machine verifies it: a download that fails has another reason"
            yield Row("", "note", text)
        return
    # Where the server is verified, what is left to do is so in a block too; else the cause is that of other trust.
    first = "cause" if not findings.works else "but" if explanation.next else "otherwise"
    yield Row("", first, explanation.happened)
    yield Row("", "likely", explanation.likely)
    if explanation.next:
        yield Row("", "next", explanation.next)
    if findings.ask_for and findings.ask_for.sha256:
        yield Row("", "  sha256", findings.ask_for.sha256)
