"""The texts in an XML document: a configuration profile's <data>, say, or SAML's <X509Certificate>."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.parsers.expat import XMLParserType


class _Texts:
    def __init__(self, parser: XMLParserType) -> None:
        self.found: list[bytes] = []
        self.comments: list[bytes] = []
        self._pieces: list[str] = []
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._pieces.append
        parser.CommentHandler = lambda text: self.comments.append(text.encode())
        parser.EntityDeclHandler = _refuse

    def _start(self, _name: str, _attributes: object) -> None:
        self._pieces.clear()

    def _end(self, _name: str) -> None:
        if text := "".join(self._pieces).strip():
            self.found.append(text.encode())
        self._pieces.clear()


class _EntityError(Exception):
    pass


def _refuse(*_declaration: object) -> None:
    # Entities can multiply a text without end (CWE-776), and no profile has any of its own.
    raise _EntityError


def texts(content: bytes) -> tuple[list[bytes], list[bytes]]:
    """The text of each innermost element, and all comments; neither where *content* is not well-formed XML."""
    from xml.parsers import expat

    try:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        texts = _Texts(parser)
        parser.Parse(content, True)  # noqa: FBT003  # it takes no keyword
    except (expat.ExpatError, _EntityError, ValueError, LookupError):
        return [], []
    return texts.found, texts.comments
