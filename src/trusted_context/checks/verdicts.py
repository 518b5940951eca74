"""What OpenSSL, or the operating system, says of a server under each kind of trust: a real handshake for each."""

from __future__ import annotations

import ssl

from ..core.contexts import verifier
from ..core.trust import Trust
from .deadline import within
from .diagnosis import words
from .findings import Verdict
from .probe import Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .candidates import Candidate
    from .probe import Probe


class Outcome:
    """How a handshake by one trust ended.

    Attributes:
        works: whether the server was verified; ``None`` where that is not known.
        stopped: what ended it, where something did.
    """

    __slots__ = ("stopped", "works")

    def __init__(self, stopped: Stopped | None = None) -> None:
        self.stopped: Stopped | None = stopped
        self.works: bool | None = None if stopped and isinstance(stopped.error, TimeoutError) else stopped is None

    @property
    def code(self) -> int | None:
        """OpenSSL's number for what is wrong (``SSLCertVerificationError.verify_code``)."""
        error = self.stopped and self.stopped.error
        return error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None

    @property
    def message(self) -> str | None:
        """What is wrong, in OpenSSL's or the operating system's words."""
        if self.stopped is None:
            return None
        return f"{'the proxy: ' * (self.stopped.stage == 'proxy')}{words(self.stopped.error)}"


class Tried:
    """How one candidate fared, and whether Python 3.13's strictness would change that."""

    __slots__ = ("candidate", "elsewhere", "outcome", "strictly")

    def __init__(self, candidate: Candidate, outcome: Outcome | None, strictly: Outcome | None) -> None:
        self.candidate: Candidate = candidate
        self.outcome: Outcome | None = outcome
        self.strictly: Outcome | None = strictly
        self.elsewhere: list[str] = []

    @property
    def works(self) -> bool:
        """Whether the server was verified."""
        return bool(self.outcome and self.outcome.works)

    @property
    def works_strictly(self) -> bool:
        """Whether it was verified with Python 3.13's strictness."""
        return bool(self.strictly and self.strictly.works)

    def as_verdict(self) -> Verdict:
        """The finding."""
        return Verdict(
            trust=self.candidate.name,
            title=self.candidate.title,
            line=self.candidate.line if self.candidate.trust else None,
            works=self.outcome.works if self.outcome else False,
            code=self.outcome.code if self.outcome else None,
            message=self.outcome.message if self.outcome else self.candidate.problem,
            works_strictly=self.strictly.works if self.strictly else None,
            message_strictly=self.strictly.message if self.strictly else None,
            elsewhere=tuple(self.elsewhere),
        )


class Trials:
    """Tries candidates on one server; what is equal is tried once."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._known: dict[Trust, Outcome] = {}

    def judge(self, candidate: Candidate) -> Tried:
        """Try one candidate, and strictly too where it works without."""
        trust = candidate.trust
        if trust is None:
            return Tried(candidate, None, None)
        outcome = self._try(trust)
        # What fails without strictness fails with it; the operating system's own rules know none.
        is_worth_it = outcome.works and not trust.native
        strictly = self._try(Trust(trust.anchors, folder=trust.folder, strict=True)) if is_worth_it else None
        return Tried(candidate, outcome, strictly)

    def _try(self, trust: Trust) -> Outcome:
        if trust not in self._known:
            self._known[trust] = self._shake_hands(trust)
        return self._known[trust]

    def _shake_hands(self, trust: Trust) -> Outcome:
        # In a block one trust has to verify both, the server and a proxy that is spoken to in TLS.
        proxy = self._probe.proxy
        for_proxy = verifier(trust).new(proxy.host, proxy.port) if proxy and proxy.scheme == "https" else None
        try:
            context = verifier(trust).new(self._probe.host, self._probe.port)
            if trust.native:  # the operating system may go and fetch what it lacks
                within(self._probe.deadline, self._probe.verify, context, for_proxy)
            else:
                self._probe.verify(context, for_proxy)
        except Stopped as stopped:
            return Outcome(stopped)
        except TimeoutError as error:
            return Outcome(Stopped("tls", error))
        return Outcome()
