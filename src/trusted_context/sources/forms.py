"""The forms in which CA certificates are handed out: what a content's certificates are, or what it holds instead."""

from __future__ import annotations

import itertools
import re

from . import der, elements, others, overlooked, parts, pem
from .error import BundleError

# The largest public bundles hold under 200; past this a file is a data set given by mistake.
_MOST_CERTIFICATES = 10_000
# A file can be made of nothing else; a person is told of fewer.
_MOST_FAULTS = 1_000

_CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_PKCS7_LABELS = frozenset({"PKCS7", "CMS", "PKCS #7 SIGNED DATA"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_PREFIX = re.compile(rb"[!-/:-@\[-`{-~ \t]{1,8}|(?:DISABLED|REM)[ \t]?")
# Shorter, a word can be base64 by chance; no certificate and no key is.
_SHORTEST_BASE64 = 40


def decode(content: bytes, origin: str, path: str) -> tuple[dict[bytes, str], list[str]]:
    """The certificates in *content* with the place of each, and what was passed over, in words.

    Args:
        content: at most 10,000 certificates, as PEM, DER, PKCS#7, or base64 of one of them (once, not twice), alone or
            as elements of XML; in UTF-8 or UTF-16, and several one after another.
        origin: where it stands, for messages.
        path: its name in a command to run.

    Raises:
        BundleError: there is no certificate, or too many.
    """
    reading = _Reading(origin, others.quote(path))
    reading.read(content)
    return reading.result()


def is_encoded(text: str) -> bool:
    """Whether *text* is one line of base64 with a certificate, a key or PEM in it, and so no path."""
    if len(text) < _SHORTEST_BASE64 or not text.isascii():
        return False
    content = pem.from_base64(text.strip().strip("'\"").replace("\\n", "").encode())
    return _is_decoded(content) or content.startswith(b"openssh-key-v1")


_KEY = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[A-Za-z0-9+/]{64,1024}={0,2}", re.DOTALL)
_LONG_NAME = re.compile(r"[^/]{40}")


def may_be_a_key(text: str) -> bool:
    """Whether *text* may be key material without any mark of it: 64 letters and digits and more, and hardly a path."""
    text = text.strip().strip("'\"")
    return _KEY.fullmatch(text) is not None and _LONG_NAME.search(text) is not None


def _is_decoded(content: bytes) -> bool:
    return pem.BEGIN in content or _is_short_sequence(content) or der.starts_at(content, 0)


def _is_short_sequence(content: bytes) -> bool:
    """Whether it is a SEQUENCE of under 128 bytes, as the keys of elliptic curves can be."""
    return content[:1] == b"\x30" and len(content) > 1 and content[1] == len(content) - 2


class _Reading:
    """What was found so far in one content, and in what it encodes."""

    def __init__(self, origin: str, path: str) -> None:
        self._origin = origin
        self._path = path
        self._found: dict[bytes, str] = {}
        self._faults: list[str] = []
        self._strange: list[str] = []  # places of what is neither text nor a certificate
        self._instead: list[str] = []  # what is no certificate, in words that follow the origin
        self._number = 0
        self._is_encoded = False

    def result(self) -> tuple[dict[bytes, str], list[str]]:
        if not self._found:
            # Nothing is as urgent to know as that a key was given away.
            self._instead.sort(key=lambda words: "private key" not in words)
            instead = self._instead or ["is empty: export the CA certificate again"]
            raise BundleError(self._faults[0] if self._faults else f"{self._origin}: {instead[0]}")
        strange = [f"{place}: here is what is neither text nor a certificate" for place in self._strange]
        return self._found, self._faults + strange

    def read(self, content: bytes) -> None:
        for part in parts.split(content):
            if part.text is None:
                self._read_der(part.raw, self._position(), f"openssl pkcs7 -print_certs -inform DER -in {self._path}")
            else:
                self._read_text(part.text)
                if part.text is not part.raw:
                    self._tell(overlooked.find_narrow(part.raw))

    def _fault(self, place: str, words: str) -> None:
        if len(self._faults) < _MOST_FAULTS:
            self._faults.append(f"{place}: {words}")

    def _add(self, certificate: bytes) -> None:
        self._found.setdefault(certificate, self._next_place())

    def _next_place(self) -> str:
        self._number += 1
        if self._number > _MOST_CERTIFICATES:
            raise BundleError(
                f"{self._origin}: holds more than {_MOST_CERTIFICATES} certificates, so it is no CA bundle: is the "
                "path right?"
            )
        return f"{self._origin}, certificate {self._number}"

    def _position(self) -> str:
        return f"{self._origin}, after certificate {self._number}" if self._number else self._origin

    # Binary

    def _read_der(self, content: bytes, place: str, command: str) -> None:
        kind = der.kind(content)
        if kind == der.PKCS7:
            self._read_pkcs7(content, place, command)
        elif kind == der.PKCS12:
            self._fault(place, f"holds {others.describe_pkcs12(self._path)}")
        elif kind != der.CERTIFICATE:
            self._instead.append(f"holds {others.describe_label(kind)}")
        elif der.is_cut_short(content):
            self._fault(place, f"is cut short: {len(content)} bytes of DER, which says it has more; copy it again")
        else:
            self._add(content)

    def _read_pkcs7(self, content: bytes, place: str, command: str) -> None:
        try:
            certificates, message = der.open_pkcs7(content)
        except ValueError as error:
            remedy = f"convert it with '{command} -out ca.pem' and give ca.pem"
            self._fault(place, f"is PKCS#7 (.p7b) that could not be opened ({error}): {remedy}")
            return
        if message:  # a configuration profile that was signed, whose signer is not what it installs
            self._read_signed(message, place)
        elif not certificates:
            self._fault(place, "is PKCS#7 (.p7b) with no certificate in it: export the CA certificate again")
        else:
            for certificate in certificates:
                self._add(certificate)

    def _read_signed(self, message: bytes, place: str) -> None:
        if not self._read_xml(message):
            self._fault(
                place,
                "is a signed message (PKCS#7), in which the certificates are those of whoever signed it: give the CA's "
                "certificate",
            )

    # Text

    def _read_text(self, text: bytes) -> None:
        text = _unquoted(text)
        if not text or self._read_xml(text):
            return
        blocks = list(pem.blocks(text))
        between = [text[before.stop : block.start] for before, block in itertools.pairwise(blocks)]
        # Together first: comments between hundreds of blocks hold nothing, and each search takes time.
        is_told = overlooked.find(b"\n".join(between)) is not None
        position, is_pem = 0, False
        for block in blocks:
            if is_told or not position:
                self._tell_overlooked(text[position : block.start])
            self._read_block(block)
            position = block.stop
            is_pem = is_pem or not block.prefix
        if not is_pem and self._read_base64(text):
            return
        known = None if is_pem else others.describe(text, self._path)
        if not known:
            self._tell_overlooked(text[position:])
        if not is_pem:
            self._instead.append(known or others.UNKNOWN)
            if not parts.is_utf_8(text):
                self._strange.append(self._position())

    def _read_block(self, block: pem.Block) -> None:
        label = block.label
        if block.prefix:
            if _names_certificate(label) or label in _PKCS7_LABELS:
                words = f"is passed over, since {_show_prefix(block.prefix)} stands before its '-----BEGIN'"
                self._fault(self._next_place(), f"{words}: to trust it, take that away from its lines")
        elif label in _PKCS7_LABELS and block.fault:
            self._fault(self._position(), f"PKCS#7 that {block.fault}")
        elif label in _PKCS7_LABELS:
            command = f"openssl pkcs7 -print_certs -in {self._path}"
            self._read_pkcs7(block.content(), self._position(), command)
        elif label in _CERTIFICATE_LABELS:
            self._read_certificate(block)
        elif label == "TRUSTED CERTIFICATE":
            place = self._next_place()
            self._fault(place, others.describe_trusted_form(self._path, is_first=self._number == 1))
        elif _names_certificate(label) or (others.is_unknown(label) and _is_certificate(block.content())):
            self._fault(self._next_place(), "its first line is to be '-----BEGIN CERTIFICATE-----' and nothing else")
        else:
            self._instead.append(f"holds {others.describe_label(label)}")

    def _read_certificate(self, block: pem.Block) -> None:
        content, kind = block.content(), der.CERTIFICATE
        if der.is_whole_certificate(content) and not block.fault:
            self._add(content)
        elif fault := block.fault:
            self._fault(self._next_place(), fault)
        elif (kind := der.kind(content)) == der.PKCS7:
            command = f"openssl pkcs7 -print_certs -in {self._path}"
            self._read_pkcs7(content, self._position(), command)
        elif kind != der.CERTIFICATE:
            self._fault(self._next_place(), f"holds {others.describe_label(kind)}")
        elif not der.is_whole(content):
            words = "is damaged: its text does not decode to a certificate; copy the file again"
            self._fault(self._next_place(), words)
        else:
            self._add(content)

    def _read_base64(self, text: bytes) -> bool:
        """Read what *text* encodes as a whole, if it does; what is encoded twice is not read."""
        content = b"" if self._is_encoded or len(text) < _SHORTEST_BASE64 else pem.from_base64(text)
        if not _is_decoded(content):
            return False
        self._is_encoded = True
        self.read(content)
        self._is_encoded = False
        return True

    def _read_xml(self, text: bytes) -> bool:
        """Read the elements of *text*, if it is XML with certificates or keys in it."""
        if not text.startswith(b"<"):
            return False
        before = self._state()
        values, comments = elements.texts(text)
        for value in values:
            if pem.BEGIN in value:
                self._read_text(value)
            else:
                self._read_base64(value)
        for comment in comments:
            self._tell_overlooked(comment)
        return self._state() != before

    def _state(self) -> tuple[int, ...]:
        return len(self._found), len(self._faults), len(self._instead)

    def _tell_overlooked(self, text: bytes) -> None:
        if text and not text.isspace():
            self._tell(overlooked.find(text))

    def _tell(self, what: str | None) -> None:
        if what:
            self._fault(self._position(), f"here is {what}")


def _unquoted(text: bytes) -> bytes:
    text = text.removeprefix(_BYTE_ORDER_MARK).strip(b" \t\r\n\0")
    if len(text) > 1 and text[:1] == text[-1:] and text[:1] in {b'"', b"'"}:
        return text[1:-1].strip()
    return text


def _is_certificate(content: bytes) -> bool:
    return der.is_whole(content) and len(content) > 2 and der.kind(content) == der.CERTIFICATE


def _names_certificate(label: str) -> bool:
    return "CERTIFICATE" in label.upper() and "REQUEST" not in label and "KEY" not in label


def _show_prefix(prefix: bytes) -> str:
    """A comment's mark as it is, and nothing else: it may be the end of a key, or a password."""
    if prefix == pem.BEGIN:
        return "a block that is passed over"
    mark = prefix.lstrip(b" \t\v\f\0")
    return repr(mark.decode()) if _SHOWN_PREFIX.fullmatch(mark) else "other text"
