"""The whole process of elimination for one server: what this machine is set up to, the way there, what verifies it."""

from __future__ import annotations

import ssl
from collections.abc import Iterable  # noqa: TC003  # typing.get_type_hints(check) looks it up here

from .._arguments import check_cafile
from ..core.contexts import verifier
from ..core.hosts import authority
from ..explanations.failure import day
from ..explanations.products import product_of
from ..sources import resolution
from ..sources.bundles import Material  # noqa: TC001  # as above
from . import advice, candidates, clients, diagnosis, proxies, search, settings, surroundings
from .deadline import Deadline
from .findings import Explanation, Findings, Presented, Step, Tls
from .probe import Probe, Stopped
from .report import Report
from .target import check_timeout, parse_target
from .verdicts import Trials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.certificate import Certificate
    from ..core.trust import Trust
    from ..explanations.failure import Cause
    from .candidates import Candidate
    from .findings import Advice, Proxies, Wanted
    from .probe import Handshake
    from .target import Proxy
    from .verdicts import Tried

# Longer chains, and certificates for more names, are made to fill a screen.
_MOST_CERTIFICATES = 10
_MOST_NAMES = 10
# Different sets of CAs that the search found, each of which takes a handshake or two.
_MOST_TRIALS = 8


def check(url: str, cafile: Material | Iterable[Material] | None = None, *, timeout: float = 10.0) -> Report:
    """Find out why downloads from a server fail, or that they work, and with which line of code.

    It connects to the server a few times, through the proxy in force, shakes hands and closes: no request is sent,
    nothing that was seen is trusted, and nothing in this process is changed. A live block makes no difference to it.
    Where nothing verifies the server, it looks for the CA in the places of this machine where CAs are named or held.

    Args:
        url: ``"https://host[:port]/..."``, ``"host"`` or ``"host:port"``.
        cafile: CA certificates to try beside what the machine has, as :func:`trusted_context` takes them.
        timeout: the seconds for all of it together.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: *url* names no HTTPS server, or *timeout* is no time.
        OSError: a CA file or folder cannot be read, or the log that ``SSLKEYLOGFILE`` names cannot be written;
            ``filename`` is set.
        BundleError: *cafile* holds no usable certificate.
    """
    return examine(url, cafile, timeout=timeout, tell=lambda _: None)


def examine(
    url: str,
    cafile: Material | Iterable[Material] | None,
    *,
    timeout: float,
    tell: Callable[[str], None],
) -> Report:
    """Do what :func:`check` does, and call *tell* with each step."""
    host, port = parse_target(url)
    deadline = Deadline(check_timeout(timeout))
    material = check_cafile(cafile)
    tell("what this machine is set up to")
    resolution.prove_key_log()
    return _Check(host, port, material, deadline, tell).run()


class _Check:
    """One check, step by step; each writes down what it found."""

    def __init__(
        self,
        host: str,
        port: int,
        material: tuple[Material, ...] | None,
        deadline: Deadline,
        tell: Callable[[str], None],
    ) -> None:
        self._host = host
        self._port = port
        self._material = material
        self._deadline = deadline
        self._tell = tell
        self._steps: list[Step] = []
        self._tried: list[Tried] = []
        self._chain: tuple[Certificate, ...] = ()
        self._tls: Tls | None = None
        self._named = tuple(settings.find())
        self._search: search.Search | None = None
        self._searched: str | None = None

    def run(self) -> Report:
        system, of_system = surroundings.system_store()
        certifi, of_certifi = surroundings.certifi_store()
        proxy, used = proxies.find(self._host, self._port, self._deadline)
        known = candidates.find(self._material, of_system, of_certifi)
        cause = self._find_cause(proxy, used, known)
        working = next((tried for tried in self._tried if tried.works), None)
        is_unknown = cause is not None and diagnosis.asks_for_a_ca(cause) and not working
        wanted = diagnosis.ask_for(self._chain) if is_unknown else None
        findings = Findings(
            host=self._host,
            port=self._port,
            works=working is not None,
            line=working.candidate.line if working else None,
            cause=cause.name if cause else None,
            explanation=_explain(cause, works=working is not None),
            ask_for=wanted,
            machine=surroundings.machine(),
            variables=surroundings.variables(),
            settings=search.as_settings(self._named),
            certifi=certifi,
            system=system,
            proxy=proxy,
            steps=tuple(self._steps),
            tls=self._tls,
            product=product_of(self._chain),
            chain=tuple(map(_as_presented, self._chain[:_MOST_CERTIFICATES])),
            chain_length=len(self._chain),
            verdicts=tuple(tried.as_verdict() for tried in self._tried),
            searched=self._searched,
            unread=tuple(self._search.unread) if self._search else (),
            remarks=tuple(remark for candidate in known for remark in candidate.remarks),
            clients=clients.installed(),
            advice=self._advise(working, cause, wanted),
        )
        return Report(findings, self._chain)

    def _find_cause(self, proxy: Proxies, used: Proxy | None, known: list[Candidate]) -> Cause | None:
        if proxy.problem:
            # No way around it: the user's programs would not take one either.
            return diagnosis.unusable_proxy(proxy.problem)
        probe = Probe(self._host, self._port, used, self._deadline)
        try:
            return self._diagnose(probe, known)
        except Stopped as stopped:
            self._step(stopped.stage, "failed", diagnosis.words(stopped.error))
            return diagnosis.of_stop(stopped, probe)

    def _diagnose(self, probe: Probe, known: list[Candidate]) -> Cause | None:
        self._connect(probe)
        proxy_trust = self._trust_for_proxy(probe, known)
        self._tell(f"TLS with {self._host}")
        agreed = probe.look(verifier(proxy_trust).new() if proxy_trust else None)
        if probe.proxy:
            self._step("proxy", "passed", f"opened a tunnel to {authority(self._host, self._port)}")
        self._note(agreed)
        trials = Trials(probe)
        for candidate in known:
            self._tell(f"trying {candidate.title}")
            self._tried.append(trials.judge(candidate))
        cause = diagnosis.of_verdicts(self._tried, agreed, probe)
        if self._chain and diagnosis.a_ca_is_missing(self._tried):
            self._look_for_ca(trials)
        return cause

    def _look_for_ca(self, trials: Trials) -> None:
        """Try what this machine holds beside its stores, the places that verify the server strictly first."""
        self._tell("looking for the CA on this machine")
        self._search = search.Search(tuple(certificate.der for certificate in self._chain), self._named)
        try:
            self._searched = self._search.run(self._deadline)
        except TimeoutError:
            self._searched = "no time was left to search"
        tried: dict[frozenset[bytes], Tried] = {}
        for found in tuple(self._search.found):
            key = frozenset(found.anchors)
            # With the same anchors the server fares the same.
            if key in tried:
                tried[key].elsewhere.append(found.title)
            elif len(tried) < _MOST_TRIALS:
                self._tell(f"trying {found.title}")
                tried[key] = trials.judge(candidates.of_found(found))
        self._tried += sorted(tried.values(), key=lambda one: (not one.works, not one.works_strictly))

    def _connect(self, probe: Probe) -> None:
        place = probe.proxy or authority(self._host, self._port)
        name, port = (probe.proxy.host, probe.proxy.port) if probe.proxy else (self._host, self._port)
        self._tell(f"looking up {name}")
        addresses = list(dict.fromkeys(probe.look_up()))
        if addresses != [name]:
            self._step("lookup", "passed", f"{name} is {', '.join(addresses)}")
        self._tell(f"connecting to {place}")
        self._step("connection", "passed", f"to {authority(probe.connect(), port)}{', the proxy' * bool(probe.proxy)}")

    def _trust_for_proxy(self, probe: Probe, known: list[Candidate]) -> Trust | None:
        """What verifies a proxy that is spoken to in TLS: its user and password are sent to no other.

        Raises:
            Stopped: nothing does.
        """
        if probe.proxy is None or probe.proxy.scheme != "https":
            return None
        failure = None
        for candidate in known:
            if candidate.trust is None:
                continue
            try:
                probe.verify_proxy(verifier(candidate.trust).new())
            except Stopped as stopped:
                failure = failure or stopped
            else:
                self._step("proxy", "passed", f"spoken to in TLS, and verified by {candidate.title}")
                return candidate.trust
        raise failure or Stopped("proxy", ssl.SSLCertVerificationError("there is no CA here to verify it by"))

    def _note(self, agreed: Handshake) -> None:
        self._chain = agreed.chain
        self._step("tls", "passed", f"{agreed.version}, {agreed.cipher}")
        self._tls = Tls(
            version=agreed.version,
            cipher=agreed.cipher,
            asks_for_client_certificate=agreed.asks_for_certificate,
            refused=diagnosis.words(agreed.refusal) if agreed.refusal else None,
        )

    def _step(self, name: str, result: str, text: str) -> None:
        self._steps.append(Step(name=name, result=result, text=text))

    def _advise(self, working: Tried | None, cause: Cause | None, wanted: Wanted | None) -> tuple[Advice, ...]:
        if working:
            port = "" if self._port == 443 else f":{self._port}"
            host = f"[{self._host}]" if ":" in self._host else self._host
            return advice.for_trust(working.candidate, f"https://{host}{port}/", self._chain)
        if wanted:
            return (advice.message(self._host, self._port, wanted, product_of(self._chain), self._chain[0].sha256),)
        if cause and cause.name == "self-signed":
            return (advice.for_self_signed(self._host, self._port),)
        return ()


def _explain(cause: Cause | None, *, works: bool) -> Explanation | None:
    if cause is None:
        return None
    is_left_to_do = not works or diagnosis.outlasts_trust(cause)
    return Explanation(happened=cause.happened, likely=cause.likely, next=cause.next if is_left_to_do else None)


def _as_presented(certificate: Certificate) -> Presented:
    return Presented(
        subject=certificate.full_subject,
        issuer=certificate.full_issuer,
        name=certificate.subject,
        issuer_name=certificate.issuer,
        not_before=_date(certificate.not_before),
        not_after=_date(certificate.not_after),
        names=tuple(certificate.names[:_MOST_NAMES]),
        count_of_names=len(certificate.names),
        sha256=certificate.sha256,
    )


def _date(seconds: int | None) -> str | None:
    return None if seconds is None else day(seconds)
