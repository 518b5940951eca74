"""An answer in plain HTTP where TLS was spoken: a server's mistake, or a network's login page."""

from __future__ import annotations

import re

from ..core.certificate import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})")
# Without path and query, which may hold what identifies this machine.
_LOCATION = re.compile(rb"^location:[ \t]*(https?://)(?:[^/?#\s@]*@)?([^/?#\s@]{1,255})", re.IGNORECASE | re.MULTILINE)
_LOGIN_IS_NEEDED = 511  # Network Authentication Required (RFC 6585, 6)


class PlainAnswerError(OSError):
    """What answered to the beginning of a TLS handshake, which is no request, was an HTTP response.

    Args:
        tls: the error in which the handshake ended.
        answer: the first bytes that came.

    Attributes:
        location: the site that the response sends to; ``None`` where it sends nowhere.
    """

    def __init__(self, tls: ssl.SSLError, answer: bytes) -> None:
        first_line = answer.splitlines()[0].decode("latin-1")
        super().__init__(f"answered in plain HTTP: {printable(first_line)}")
        self.tls = tls
        status, location = _STATUS.match(answer), _LOCATION.search(answer)
        self._status = int(status[1]) if status else 0
        self.location: str | None = printable((location[1] + location[2]).decode("latin-1") + "/") if location else None

    @property
    def is_portals(self) -> bool:
        """Whether it is what the login page of a network answers: a redirection, or status 511."""
        return self._status == _LOGIN_IS_NEEDED or 300 <= self._status < 400
