"""The whole process of elimination for one server: what this machine is set up to, the way there, who is believed."""

from __future__ import annotations

from .._arguments import check_cafile
from ..explanations.failure import day
from ..explanations.products import product_of
from ..sources import resolution
from . import candidates as kinds_of_trust
from . import diagnosis, surroundings
from .deadline import Deadline
from .probe import Probe, Stopped
from .report import Report
from .target import authority, check_timeout, parse_target
from .verdicts import Court

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..core.certificate import Certificate
    from ..core.trust import Trust
    from ..explanations.failure import Cause
    from ..sources.bundles import Material
    from .candidates import Candidate
    from .probe import Handshake
    from .target import Proxy
    from .verdicts import Verdict

# Longer chains, and certificates for more names, are made to be looked at by nobody.
_MOST_CERTIFICATES = 10
_MOST_NAMES = 10


def check(url: str, cafile: Material | Iterable[Material] | None = None, *, timeout: float = 10.0) -> Report:
    """Find out why downloads from a server fail, or that they work, and with which line of code.

    It connects to the server a few times, through the proxy in force, shakes hands and closes: no request is sent,
    nothing that was seen is trusted, and nothing in this process is changed. A live block makes no difference to it.

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
    """The same, telling what it is at."""
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
        self._verdicts: list[Verdict] = []
        self._chain: tuple[Certificate, ...] = ()
        self._findings: dict[str, Any] = {
            "format": 1,
            "host": host,
            "port": port,
            "works": False,
            "line": None,
            "cause": None,
            "explanation": {},
            "ask_for": None,
            "steps": [],
            "tls": None,
            "product": None,
            "chain": [],
            "chain_length": 0,
            "verdicts": [],
        }

    def run(self) -> Report:
        proxy, candidates = self._look_around()
        probe = Probe(self._host, self._port, proxy, self._deadline)
        cause = self._find_cause(probe, candidates)
        working = next((verdict for verdict in self._verdicts if verdict.works), None)
        self._findings["verdicts"] = [verdict.as_dict() for verdict in self._verdicts]
        if working:
            self._findings |= {"works": True, "line": working.candidate.line}
        if cause and diagnosis.asks_for_a_ca(cause) and not working:
            self._findings["ask_for"] = diagnosis.ask_for(self._chain)
        if cause:
            self._findings["cause"] = cause.name
            self._findings["explanation"] = {"happened": cause.happened, "likely": cause.likely}
            if not working or diagnosis.outlasts_trust(cause):
                self._findings["explanation"]["next"] = cause.next
        return Report(self._findings, self._chain)

    def _find_cause(self, probe: Probe, candidates: list[Candidate]) -> Cause | None:
        problem = self._findings["proxy"]["problem"]
        if problem:
            # No way around it: the user's programs would not take one either.
            return diagnosis.unusable_proxy(problem)
        try:
            return self._diagnose(probe, candidates)
        except Stopped as stopped:
            self._step(stopped.stage, "failed", diagnosis.words(stopped.error))
            return diagnosis.of_stop(stopped, probe)

    def _look_around(self) -> tuple[Proxy | None, list[Candidate]]:
        system_found, system = surroundings.system_store()
        certifi_found, certifi = surroundings.certifi_store()
        proxies, proxy = surroundings.proxies(self._host, self._port, self._deadline)
        self._findings |= {
            "machine": surroundings.machine(),
            "variables": surroundings.variables(),
            "certifi": certifi_found,
            "system": system_found,
            "proxy": proxies,
        }
        candidates = kinds_of_trust.find(self._material, system, certifi)
        self._findings["remarks"] = [remark for candidate in candidates for remark in candidate.remarks]
        return proxy, candidates

    def _diagnose(self, probe: Probe, candidates: list[Candidate]) -> Cause | None:
        self._connect(probe)
        proxy_trust = self._trust_for_proxy(probe, candidates)
        self._tell(f"TLS with {self._host}")
        agreed = probe.look(proxy_trust.new_context() if proxy_trust else None)
        if probe.proxy:
            self._step("proxy", "passed", f"opened a tunnel to {authority(self._host, self._port)}")
        self._note(agreed)
        court = Court(probe)
        for candidate in candidates:
            self._tell(f"who is believed: {candidate.title}")
            self._verdicts.append(court.judge(candidate))
        return diagnosis.of_verdicts(self._verdicts, agreed, probe)

    def _connect(self, probe: Probe) -> None:
        place = probe.proxy or authority(self._host, self._port)
        name, port = (probe.proxy.host, probe.proxy.port) if probe.proxy else (self._host, self._port)
        self._tell(f"looking up {name}")
        addresses = list(dict.fromkeys(probe.look_up()))
        if addresses != [name]:
            self._step("lookup", "passed", f"{name} is {', '.join(addresses)}")
        self._tell(f"connecting to {place}")
        self._step("connection", "passed", f"to {authority(probe.connect(), port)}{', the proxy' * bool(probe.proxy)}")

    def _trust_for_proxy(self, probe: Probe, candidates: list[Candidate]) -> Trust | None:
        """What verifies a proxy that is spoken to in TLS: its user and password are for nobody else.

        Raises:
            Stopped: nothing does.
        """
        if probe.proxy is None or probe.proxy.scheme != "https":
            return None
        failure = None
        for candidate in candidates:
            if candidate.trust is None:
                continue
            try:
                probe.verify_proxy(candidate.trust.new_context())
            except Stopped as stopped:
                failure = failure or stopped
            else:
                self._step("proxy", "passed", f"spoken to in TLS, and verified by {candidate.title}")
                return candidate.trust
        if failure is None:
            raise Stopped("proxy", OSError("nothing on this machine could verify it"))
        raise failure

    def _note(self, agreed: Handshake) -> None:
        self._chain = agreed.chain
        self._step("tls", "passed", f"{agreed.version}, {agreed.cipher}")
        self._findings["tls"] = {
            "version": agreed.version,
            "cipher": agreed.cipher,
            "asks_for_client_certificate": agreed.asks_for_certificate,
            "refused": agreed.refusal and diagnosis.words(agreed.refusal),
        }
        self._findings["chain"] = [_as_dict(certificate) for certificate in agreed.chain[:_MOST_CERTIFICATES]]
        self._findings["chain_length"] = len(agreed.chain)
        self._findings["product"] = product_of(agreed.chain)

    def _step(self, name: str, result: str, text: str) -> None:
        self._findings["steps"].append({"name": name, "result": result, "text": text})


def _as_dict(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.full_subject,
        "issuer": certificate.full_issuer,
        "name": certificate.subject,
        "issuer_name": certificate.issuer,
        "not_before": _date(certificate.not_before),
        "not_after": _date(certificate.not_after),
        "names": list(certificate.names[:_MOST_NAMES]),
        "count_of_names": len(certificate.names),
        "sha256": certificate.sha256,
    }


def _date(seconds: int | None) -> str | None:
    return None if seconds is None else day(seconds)
