"""What a check found, as typed values: the report's text and its JSON are both made from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The versions that decide how a handshake ends, and the clock.

    Attributes:
        clock: the time in UTC, which the dates in certificates are compared with.
        missing: the packages that this one needs and that are not installed.
    """

    python: str
    implementation: str
    openssl: str
    platform: str
    trusted_context: str
    clock: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An environment variable, or an entry of a settings file, that names a CA bundle to some program.

    Attributes:
        name: the variable, or the entry's name.
        file: the settings file; ``None`` for a variable.
        value: what it names, without user and password; ``None`` where it is not set.
        usable: whether that holds a certificate; ``None`` where nothing is named.
        finding: what is there, or what is wrong with it.
        decides: a block without arguments goes by it.
    """

    name: str
    file: str | None = None
    value: str | None
    usable: bool | None
    finding: str
    decides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certifi:
    """The installed certifi; ``version`` is ``None`` where it is not installed."""

    version: str | None
    age_in_days: int | None = None
    file: str | None = None
    certificates: int = 0
    upgrade: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStore:
    """The operating system's store; ``certificates`` is ``None`` where it cannot be counted."""

    description: str | None
    certificates: int | None
    native: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """What Python's clients go through to the server.

    Attributes:
        told: what variables or the operating system say, by the kind of URL it is said of.
        used: the proxy in force; ``None`` for none.
        excepted: this host is reached directly, by ``no_proxy``.
        problem: why the proxy that is named cannot be used.
        remarks: what the user should know besides.
    """

    told: dict[str, str]
    used: str | None = None
    excepted: bool = False
    problem: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on the way to the server: ``lookup``, ``connection``, ``proxy`` or ``tls``, ``passed`` or ``failed``."""

    name: str
    result: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What was agreed on in a handshake that verified nothing."""

    version: str
    cipher: str
    asks_for_client_certificate: bool
    refused: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A certificate that the server presented."""

    subject: str
    issuer: str
    name: str
    issuer_name: str
    not_before: str | None
    not_after: str | None
    names: tuple[str, ...]
    count_of_names: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the server fared under one kind of trust.

    Attributes:
        trust: ``"cafile"``, ``"environment"``, ``"system"``, ``"certifi"``, or ``"found"`` for what was searched for.
        line: the line of code that begins a block with it.
        works: whether the server was verified; ``None`` where there was no answer in time.
        code: OpenSSL's number for what is wrong.
        works_strictly: the same with Python 3.13's strictness; ``None`` where that was not tried.
        elsewhere: where else on this machine the same CA was found.
    """

    trust: str
    title: str
    line: str | None
    works: bool | None
    code: int | None
    message: str | None
    works_strictly: bool | None = None
    message_strictly: str | None = None
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A store that may hold the CA and could not be read, and the command that lists what is in it."""

    path: str
    reason: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The cause in words; ``next`` is ``None`` where the last lines of the report are what to do."""

    happened: str
    likely: str
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The CA to ask IT for; ``sha256`` is ``None`` where its own certificate was not presented."""

    name: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeClient:
    """An installed library with a TLS implementation of its own, which no block reaches, and what it goes by."""

    name: str
    version: str
    reads: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Lines to paste as they are.

    Attributes:
        where: ``"shell"`` or ``"python"``, or ``"message"`` for a text to send.
        tool: what they are for.
    """

    where: str
    tool: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All of it.

    Attributes:
        cause: a stable name of what is wrong; ``None`` where nothing is.
        line: the line of code that begins a block which verifies the server, where there is one.
        product: the inspecting product that answered in the server's place, by the issuer's name.
        chain_length: the number of certificates presented, of which *chain* has the first ones.
        remarks: what the owner of the CA files that were given should know of them.
        searched: in words, how far the search for the CA on this machine came; ``None`` where none was needed.
    """

    host: str
    port: int
    works: bool
    line: str | None
    cause: str | None
    explanation: Explanation | None
    ask_for: Wanted | None
    machine: Machine
    variables: tuple[Setting, ...]
    settings: tuple[Setting, ...]
    certifi: Certifi
    system: SystemStore
    proxy: Proxies
    steps: tuple[Step, ...]
    tls: Tls | None
    product: str | None
    chain: tuple[Presented, ...]
    chain_length: int
    verdicts: tuple[Verdict, ...]
    searched: str | None
    unread: tuple[Unread, ...]
    remarks: tuple[str, ...]
    clients: tuple[NativeClient, ...]
    advice: tuple[Advice, ...]
