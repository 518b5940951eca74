"""What is known of a verification that failed, and the form of its explanation."""

from __future__ import annotations

import functools
import re
import time

from ..core.redaction import show_host, show_words
from . import anchors, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.certificate import Certificate
    from ..core.trust import Trust


class Cause:
    """One cause of a failure, in words.

    Attributes:
        name: stable, for programs: ``"inspected"``, ``"expired"``. It stands in the table of causes.
        happened: what happened, in one line that names the host and, where it matters, the issuer.
        likely: what that most likely means.
        next: what to do, with the line of code that cures it where there is one.
    """

    __slots__ = ("happened", "likely", "name", "next")

    def __init__(self, name: str, happened: str, likely: str, next: str) -> None:  # noqa: A002  # as it is called
        self.name: str = table.KINDS[name].name
        self.happened: str = happened
        self.likely: str = likely
        self.next: str = next


class Failure:
    """What is known of a verification that failed.

    Args:
        code: OpenSSL's ``verify_code``; ``None`` where only *message* is known.
        message: OpenSSL's words, or any text that holds them or those of another TLS library.
        host: the name or address that was asked for.
        chain: what the server presented, its own first; may be empty.
        trust: what it was verified by, where that is known.
        truster: who did not trust it, in words.
    """

    def __init__(  # noqa: PLR0913  # all of them facts of one failure
        self,
        code: int | None,
        message: str = "",
        *,
        host: str | None = None,
        chain: tuple[Certificate, ...] = (),
        trust: Trust | None = None,
        truster: str = "this block",
    ) -> None:
        self.message = message
        self.host: str | None = show_host(host) or show_host(host_in_words(message))
        self.chain = chain
        self.trust = trust
        self.truster = truster
        self.path: tuple[Certificate, ...] = linked(chain)
        self.code: int | None = _code(code, message, self.path)

    @property
    def server(self) -> str:
        """Whom to name at the beginning of a line."""
        return self.host or "the server"

    @property
    def leaf(self) -> Certificate | None:
        """The server's own certificate."""
        return self.chain[0] if self.chain else None

    @property
    def top(self) -> Certificate | None:
        """The last of the certificates that name each other as issuer, from the server's own on."""
        return self.path[-1] if self.path else None

    @functools.cached_property
    def anchors(self) -> tuple[Certificate, ...]:
        """The CAs that were trusted."""
        return anchors.of_trust(self.trust) if self.trust else ()

    @functools.cached_property
    def found_in(self) -> str | None:
        """``"system"`` or ``"certifi"`` where that has the CA which was not trusted here."""
        return anchors.where_known(self.top, self.trust) if self.top else None

    @property
    def words(self) -> str:
        """What OpenSSL, or whatever else verified, said of it: on one line, without what belongs to another text."""
        said = table.said_in(self.message)
        words = said.words if said else self.message[:_LONGEST_WORDS]
        # After these words a text goes on with somebody else's.
        words = words.partition("\n")[0].partition("(_ssl.c:")[0].rstrip()
        return show_words(words)

    @property
    def last_resort(self) -> str:
        """What to do as a last resort, for this host alone."""
        host = f'"{self.server}"' if self.host else "that host's name"
        return f"as a last resort, if it does not matter who answers: trusted_context(insecure={{{host}}})"


_LONGEST_WORDS = 400


def linked(chain: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """The certificates of *chain* from the server's own up, each followed by the one named as its issuer."""
    path = list(chain[:1])
    while path and not path[-1].self_issued:
        issuer = next((one for one in chain if path[-1].names_as_issuer(one) and one not in path), None)
        if issuer is None:
            break
        path.append(issuer)
    return tuple(path)


def _code(code: int | None, message: str, path: Iterable[Certificate]) -> int | None:
    if code is None:
        said = table.said_in(message)
        return said.code if said else None
    found = table.from_native(code)
    if found != _EXPIRED:
        return found or code
    # Windows has one code, CERT_E_EXPIRED, for what is over and what has not begun.
    early = any(one.not_before and one.not_before > time.time() for one in path)
    return _NOT_YET_VALID if early else _EXPIRED


# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET_VALID, _EXPIRED = 9, 10
# Python's words, rustls', curl's and Go's, before the name that was asked for.
_HOST = re.compile(
    r"not valid for (?:name )?(?:'(?P<pythons>[^'\"]{1,253})'|\"(?P<rustls>[^'\"]{1,253})\")"
    r"|matches target host ?name '(?P<curls>[^']{1,253})'"
    r"|certificate is valid for [^\n]{1,400}?, not (?P<gos>[\w.:-]{1,253})(?!\S)"
)


def host_in_words(text: str) -> str | None:
    """The host that was asked for, where the words of a failed verification name it."""
    found = _HOST.search(text)
    return found[found.lastgroup] if found and found.lastgroup else None


def day(seconds: float | None) -> str:
    """The day of that moment (seconds since the epoch), in UTC."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):  # pragma: no cover  # years that Windows' C library cannot count to
        return "an unknown day"
