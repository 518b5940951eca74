"""The report of a check: its findings as data, and the same facts as text, HTML and JSON."""

from __future__ import annotations

import copy
import textwrap

from ..core.certificate import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..core.certificate import Certificate

_WIDTH = 100
_NARROWEST = 40
# Where the text of a row begins.
_INDENT = 18
_LONGEST = 2000
_STEPS = {"lookup": "name", "connection": "connection", "proxy": "proxy", "tls": "TLS"}
_TITLES = {"happened": "cause", "likely": "likely", "next": "next"}


class Row:
    """One line of a report: ``mark`` is ``"ok"``, ``"FAIL"``, ``"!"`` or nothing."""

    __slots__ = ("label", "mark", "text")

    def __init__(self, mark: str, label: str, text: str) -> None:
        self.mark = mark
        self.label = label
        self.text = text


class Report:
    """What :func:`check` found. ``str()`` is the text for a person; notebooks show a table.

    Attributes:
        works: whether some trust that this machine has, or that was given, verifies the server.
        line: the line of code that begins a block with that trust; ``None`` where no line of code helps.
        cause: a stable name of what is wrong, ``None`` where nothing is.
    """

    __module__ = "trusted_context"
    __slots__ = ("_chain", "_findings")

    def __init__(self, findings: dict[str, Any], chain: tuple[Certificate, ...]) -> None:
        # The line is Python's own repr of what the user named, and clipped it would be no code.
        self._findings = _clean(findings) | {"line": findings["line"]}
        self._chain = chain

    @property
    def works(self) -> bool:
        """Whether one kind of trust on this machine verifies the server."""
        return bool(self._findings["works"])

    @property
    def line(self) -> str | None:
        """The line of code that begins a block which verifies the server, if there is one."""
        line: str | None = self._findings["line"]
        return line

    @property
    def cause(self) -> str | None:
        """The stable name of what is wrong, as :func:`explain` gives it; ``None`` where nothing is."""
        cause: str | None = self._findings["cause"]
        return cause

    def topmost_authority(self) -> Certificate | None:
        """The last CA certificate of the chain that the server presented; unverified."""
        from ..explanations import anchors
        from ..explanations.failure import linked

        authorities = {found.der for found in anchors._read(tuple(one.der for one in self._chain))}
        path = [one for one in linked(self._chain) if one.der in authorities]
        return next(reversed(path or [one for one in self._chain if one.der in authorities]), None)

    def as_dict(self) -> dict[str, Any]:
        """All findings, as a new dictionary of plain values, for a bug report; its keys are stable."""
        return copy.deepcopy(self._findings)

    def to_json(self) -> str:
        """The same as JSON, in ASCII."""
        import json

        return json.dumps(self._findings, indent=2)

    def __str__(self) -> str:
        return "\n".join(text for _, text in lines(self._findings, _WIDTH))

    def __repr__(self) -> str:
        found = self._findings
        return f"<Report of {found['host']}:{found['port']}: {'works' if self.works else 'does not work'}>"

    def _repr_html_(self) -> str:
        from html import escape

        cells = "".join(
            f"<tr><td>{escape(row.mark)}</td><th style='text-align:left'>{escape(row.label)}</th>"
            f"<td style='text-align:left'>{escape(row.text)}</td></tr>"
            for row in rows(self._findings)
        )
        code = f"<pre>{escape(chr(10).join(_code(self._findings)))}</pre>" if self.line else ""
        return f"<b>{escape(_title(self._findings))}</b><table>{cells}</table>{code}"


def lines(findings: dict[str, Any], width: int) -> Iterator[tuple[str, str]]:
    """The report's lines, each with its mark: ``"title"``, ``"code"``, or a row's; the last is what to paste or do."""
    yield "title", _title(findings)
    yield "", ""
    for row in rows(findings):
        start = f"{row.mark:5}{row.label:{_INDENT - 5}}"
        filled = textwrap.wrap(
            row.text,
            max(width, _NARROWEST),
            initial_indent=start,
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in filled or [start.rstrip()]:
            yield row.mark, line
    if findings["line"]:
        yield "", ""
        for line in _code(findings):
            yield "code", line


def rows(findings: dict[str, Any]) -> Iterator[Row]:
    """The facts, in the order in which a person wants them."""
    yield from _of_machine(findings)
    yield from _of_way(findings)
    yield from _of_chain(findings)
    yield from _of_verdicts(findings)
    for remark in findings["remarks"]:
        yield Row("!", "cafile", remark)
    yield from _of_explanation(findings)


def _title(findings: dict[str, Any]) -> str:
    from .target import authority

    place = authority(findings["host"], findings["port"])
    if findings["works"]:
        return f"{place}: verified"
    return f"{place}: not verified" if findings["verdicts"] else f"{place}: not reached"


def _code(findings: dict[str, Any]) -> list[str]:
    line = findings["line"]
    imports = ["import certifi"] if "certifi." in line else []
    return [*imports, "from trusted_context import trusted_context", "", line]


def _of_machine(findings: dict[str, Any]) -> Iterator[Row]:
    machine = findings["machine"]
    versions = f"{machine['openssl']}, trusted-context {machine['trusted_context']}"
    yield Row("", "python", f"{machine['python']} ({machine['implementation']}), {versions}")
    yield Row("", "machine", f"{machine['platform']}, clock {machine['clock']}")
    named = [variable for variable in findings["variables"] if variable["value"]]
    for variable in named:
        decides = " (what trusted_context() goes by)" if variable["decides"] else ""
        mark = "ok" if variable["usable"] else "FAIL"
        remedy = "" if variable["usable"] else "; correct it, or unset it"
        yield Row(mark, "variable", f"{variable['name']}={variable['value']}: {variable['finding']}{remedy}{decides}")
    if not named:
        yield Row("", "variables", "none names a bundle")
    yield _of_certifi(findings["certifi"])
    system = findings["system"]
    count = "" if system["certificates"] is None else f": {system['certificates']} certificates"
    if system["description"]:
        yield Row("ok", "system", f"{system['description']}{count}")
    else:
        yield Row("!", "system", "the operating system's store holds no CA: install the package ca-certificates")


def _of_certifi(certifi: dict[str, Any]) -> Row:
    if certifi["problem"]:
        return Row("FAIL", "certifi", f"{certifi['version']}: {certifi['problem']}")
    age = "" if certifi["age_in_days"] is None else f", {certifi['age_in_days']} days old"
    text = f"{certifi['version']}{age}: {certifi['certificates']} certificates"
    if certifi["upgrade"]:
        return Row("!", "certifi", f"{text}; newer CAs are missing in it: {certifi['upgrade']}")
    return Row("ok", "certifi", text)


def _of_way(findings: dict[str, Any]) -> Iterator[Row]:
    proxy = findings["proxy"]
    if proxy["problem"]:
        yield Row("FAIL", "proxy", proxy["used"] or proxy["told"].get("https") or proxy["told"].get("all", "unknown"))
    elif proxy["excepted"]:
        yield Row("", "proxy", f"none for this host, by no_proxy={proxy['told'].get('no', '')}")
    elif not proxy["used"]:
        yield Row("", "proxy", "none")
    else:
        yield Row("", "proxy", proxy["told"].get("https") or proxy["told"]["all"])
    for remark in proxy["remarks"]:
        yield Row("!", "proxy", remark)
    for step in findings["steps"]:
        yield Row("ok" if step["result"] == "passed" else "FAIL", _STEPS[step["name"]], step["text"])
    tls = findings["tls"]
    if tls and tls["asks_for_client_certificate"]:
        text = "the server asks for a client certificate"
        yield Row("!", "TLS", f"{text}, and refuses without one: {tls['refused']}" if tls["refused"] else text)


def _of_chain(findings: dict[str, Any]) -> Iterator[Row]:
    for place, certificate in enumerate(findings["chain"], 1):
        is_root = certificate["subject"] == certificate["issuer"]
        signer = "itself" if is_root else f'"{certificate["issuer_name"]}"'
        yield Row("", f"presented {place}", f'"{certificate["name"]}", signed by {signer}')
        yield Row("", "  valid", f"{certificate['not_before']} to {certificate['not_after']}")
        if place == 1:
            more = certificate["count_of_names"] - len(certificate["names"])
            names = ", ".join(certificate["names"]) or "no host at all"
            yield Row("", "  for", f"{names}{f' and {more} more' if more else ''}")
        yield Row("", "  sha256", certificate["sha256"])
    more = findings["chain_length"] - len(findings["chain"])
    if more:
        yield Row("!", "presented", f"and {more} certificates more")
    if findings["product"]:
        yield Row("!", "inspected", f"by {findings['product']}, as the issuer's name says: it answers for the server")


def _of_verdicts(findings: dict[str, Any]) -> Iterator[Row]:
    for verdict in findings["verdicts"]:
        if verdict["works"]:
            refused = verdict["works_strictly"] is False
            but = f"; Python 3.13's strictness refuses it: {verdict['message_strictly']}" if refused else ""
            yield Row("ok", "trust", f"{verdict['title']}: verified{but}")
        elif verdict["works"] is None:
            yield Row("!", "trust", f"{verdict['title']}: no answer in time")
        else:
            yield Row("FAIL", "trust", f"{verdict['title']}: {verdict['message']}")


def _of_explanation(findings: dict[str, Any]) -> Iterator[Row]:
    explanation = findings["explanation"]
    if findings["works"] and not explanation:
        yield Row("", "note", "all that there is on this machine verifies it: a download that fails has another reason")
        return
    titles = dict(_TITLES)
    if findings["works"]:
        # What is left to do is so in a block too; else the cause is that of whoever trusts something else.
        titles["happened"] = "but" if "next" in explanation else "otherwise"
    for kind, text in explanation.items():
        yield Row("", titles[kind], text)
    if findings["ask_for"] and findings["ask_for"]["sha256"]:
        yield Row("", "  sha256", findings["ask_for"]["sha256"])


def _clean(value: Any) -> Any:
    """The same findings, with no text in them that could steer a terminal or go on for ever."""
    if isinstance(value, str):
        return printable(value, longest=_LONGEST)
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    return value
