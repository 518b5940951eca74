"""What a message, a repr, a note or a report may repeat of what people gave: the one place that decides it.

People put passwords, signed URLs and keys into any argument and any variable, and write them in any form. So nothing is
searched for secrets. Each function says what **may** be shown, and leaves out all the rest:

- Of a URL or a host: a scheme that is known, the host, a port of at most five digits, and of the path its last part
  where that looks like a file's name, without a long run of letters and digits. Never user and password, a query or a
  fragment. Where an ``@`` stands behind the first ``/``, ``?``, ``#`` or backslash, it cannot be known what is the
  host, and the scheme alone is shown.
- Of a path: all of it, since a user has to recognise the file; but no folder behind ``=``, no name before ``@``, and no
  long run of letters and digits. Its length alone is shown where it looks like no path: it holds ``://`` or ``?``; an
  ``@`` behind a ``:`` or behind two slashes at the beginning; an ``@`` or a ``:`` in a path that is not absolute;
  control characters; more than 1024 characters; or nothing but base64, as long as a key.
- Of what other programs say: the ordinary words and numbers at its beginning.
- Of a value of the wrong type: its type.

A host or file whose very name is a secret is shown: nothing tells it from others.
"""

from __future__ import annotations

import os
import re
import ssl

_HIDDEN = "***"
_SCHEMES = frozenset(
    {"file", "ftp", "ftps", "git", "http", "https", "s3", "sftp", "socks", "socks4", "socks4a", "socks5", "socks5h"}
    | {"ssh", "ws", "wss"}
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]{0,8})://")
_END_OF_AUTHORITY = re.compile(r"[/?#\\]")
# RFC 1035, 2.3.4: 63 letters a label and 253 a name. Letters of other scripts are an international name's.
_NAME = re.compile(r"(?:\*\.)?[\w-]{1,63}(?:\.[\w-]{1,63}){0,126}\.?")
_ADDRESS_IN_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.]{2,45}(?:%[\w.~-]{1,15})?\]?")
_ADDRESS = re.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8}(?:%[\w.~-]{1,15})?")
_PORT = re.compile(r"[0-9]{0,5}")
_NO_LETTERS = re.compile(r"[][ .*:]{0,20}")
_LONGEST_HOST = 253
_FILE_NAME = re.compile(r"[\w. -]{1,80}\.[A-Za-z0-9]{1,8}")
_LONGEST_URL = 4096
# PATH_MAX of most systems is longer; what people give by mistake in a path's place is longer still.
_LONGEST_PATH = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
# Of a URL that a path was made of; a drive of Windows has one letter.
_SCHEME_OF_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")
# A key of 32 bytes, the shortest there is, has 43 letters of base64, or 64 of hexadecimal.
_SHORTEST_KEY = 40
_SEPARATOR = re.compile(r"([/\\])")
_LONG_RUN = re.compile(rf"[A-Za-z0-9+]{{{_SHORTEST_KEY},}}")
_OPTION = re.compile(r"--?[A-Za-z-]{1,24}")
_SETTING = re.compile(r"\w[\w. -]{0,80}")
# OpenSSL's names of what went wrong.
_REASON = re.compile(r"[A-Z0-9_/]{1,60}")
_AROUND_A_WORD = "'\"()[]<>,.;:!\u2018\u2019\u201c\u201d"
_LONGEST_WORD, _LONGEST_NUMBER, _MOST_WORDS = 24, 5, 40


def show_url(text: str) -> str:
    """What may be shown of a URL, a host, or what was given in the place of one."""
    text = text.strip()
    if len(text) > _LONGEST_URL or _may_be_a_key(text.strip("'\"")):
        return measure(text)
    match = _SCHEME.match(text)
    scheme = match[0] if match and match[1].lower() in _SCHEMES else ""
    before_path, tail = _split(text[len(scheme) :])
    userinfo, at, place = before_path.rpartition("@")
    if (
        "@" in tail
        or _BLANK.search(tail)
        or not (_is_place(place) or (scheme.lower() == "file://" and not userinfo + place))
    ):
        return f"{scheme}{_HIDDEN}" if scheme else measure(text)
    return f"{scheme}{_HIDDEN * bool(at)}{at}{place}{_show_tail(tail)}"


def quote_url(text: str) -> str:
    """The same in quotation marks, with the blanks around it, where it is more than a length."""
    if _NO_LETTERS.fullmatch(text):
        return repr(text)
    shown = show_url(text)
    return shown if shown.startswith("<") else repr(text.replace(text.strip(), shown, 1))


def show_host(host: str | None) -> str | None:
    """*host*, where it is no more than a host's name or address; else ``None``."""
    return host if host and (_is_name(host) or _is_address(host)) else None


def show_exceptions(text: str) -> str:
    """What may be shown of the hosts in ``no_proxy``."""
    return ",".join(item if item == "*" or _is_item(item) else _HIDDEN for item in map(str.strip, text.split(",")))


def show_path(text: str) -> str:
    """What may be shown of a path, or of what was given in the place of one."""
    if _SCHEME.match(text.strip()) and not _CONTROL.search(text):
        return show_url(text)
    if not looks_like_path(text):
        return measure(text)
    text, equals, value = text.partition("=")
    if "@" in text or _LONG_RUN.search(text):
        text = "".join(map(_show_part, _SEPARATOR.split(text)))
    return f"{text}{equals}{_show_value(value)}"


def _show_value(value: str) -> str:
    """What stands behind the first ``=`` of a path, and may have slashes in it: the file's name alone."""
    if not value:
        return ""
    *_, separator, name = ["", *_SEPARATOR.split(value)]
    return f"{_HIDDEN}{separator}{_show_part(name)}" if separator and _FILE_NAME.fullmatch(name) else _HIDDEN


def _show_part(part: str) -> str:
    _, at, rest = part.rpartition("@")
    shown = f"{_HIDDEN}{at}{rest}" if at else part
    return _LONG_RUN.sub(lambda run: _HIDDEN if _has_letters_and_digits(run[0]) else run[0], shown)


def looks_like_path(text: str) -> bool:
    """Whether *text* may be a path: by its look alone, whatever files there are."""
    drive = os.path.splitdrive(text)[0]
    rest = text[2:] if len(drive) == 2 else text
    if len(text) > _LONGEST_PATH or _CONTROL.search(text) or "?" in text:
        return False
    if "://" in text or _SCHEME_OF_PATH.match(text.lstrip()):
        return False
    if ("@" in rest or ":" in rest) and not _is_absolute(text):
        return False
    if "@" in rest and (":" in rest.rpartition("@")[0] or rest.lstrip()[:2] == "//"):
        return False
    return not _may_be_a_key(text.strip(" '\""))


def show_argument(text: str) -> str:
    """What may be shown of an argument on a command line whose place there is not known."""
    if _OPTION.fullmatch(text):
        return text
    name, _, value = text.partition("=")
    if value and _OPTION.fullmatch(name):
        return f"{name}={_HIDDEN}"
    if (text.isalpha() and len(text) <= _LONGEST_WORD) or (_FILE_NAME.fullmatch(text) and len(text) < _SHORTEST_KEY):
        return text
    return show_url(text) if _SCHEME.match(text) else _HIDDEN


def show_setting(name: str) -> str:
    """What may be shown of the name of an entry in a settings file: git's may have a URL in its middle."""
    if _SETTING.fullmatch(name):
        return name
    first, last = re.match(r"\w{0,24}", name), re.search(r"\w{0,24}$", name)
    return f"{first[0] if first else ''}.{_HIDDEN}.{last[0] if last else ''}"


def show_words(text: str) -> str:
    """What may be shown of other programs' words: the ordinary ones at the beginning, and ``...`` for the rest."""
    words = text.split(None, _MOST_WORDS)
    count = next((place for place, word in enumerate(words) if place == _MOST_WORDS or not _is_word(word)), len(words))
    return " ".join([*words[:count], *["..."] * (count < len(words))])


def show_error(error: BaseException) -> str:
    """What may be shown of an exception: OpenSSL's or the operating system's words, else its type."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):  # urllib's
        return show_error(reason)
    if isinstance(error, ssl.SSLError) and isinstance(reason, str) and _REASON.fullmatch(reason):
        words = getattr(error, "verify_message", None)
        return f"{reason}: {show_words(words)}" if isinstance(words, str) else reason
    said = error.strerror if isinstance(error, OSError) else None
    return show_words(said) if isinstance(said, str) and said else type(error).__name__


def show_kind(value: object) -> str:
    """What may be shown of a value of the wrong type: its type, and whether it is ``None`` or a bool."""
    return repr(value) if value is None or isinstance(value, bool) else type(value).__name__


def measure(text: str) -> str:
    """What stands for a text of which nothing may be shown."""
    return f"<{len(text)} characters>"


def _split(text: str) -> tuple[str, str]:
    """What stands before a URL's path, query and fragment; and those."""
    end = _END_OF_AUTHORITY.search(text)
    return (text[: end.start()], text[end.start() :]) if end else (text, "")


def _show_tail(tail: str) -> str:
    path, mark, _ = tail.partition(next((mark for mark in tail if mark in "?#"), "?"))
    folder, slash, name = path.rpartition("/")
    if not path.startswith("/"):
        folder, slash, name = "", "", path
    shown = _show_part(name) if not name or _FILE_NAME.fullmatch(name) else _HIDDEN
    return f"{f'/{_HIDDEN}' * bool(folder)}{slash}{shown}{f'{mark}{_HIDDEN}' * bool(mark)}"


def _is_place(text: str) -> bool:
    """Whether it is a host with or without a port, and nothing else."""
    name, _, port = text.partition(":")
    if _is_name(name) and _PORT.fullmatch(port):
        return True
    address, bracket, port = text.partition("]")
    return _is_address(address + bracket) and (not port or (port[0] == ":" and _PORT.fullmatch(port[1:]) is not None))


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_HOST and _NAME.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    return (_ADDRESS_IN_BRACKETS if text.startswith("[") else _ADDRESS).fullmatch(text) is not None


def _is_item(text: str) -> bool:
    # no_proxy has names that begin with a dot, and networks as addresses with a prefix length.
    network, _, length = text.partition("/")
    return not text or (_is_place(network.removeprefix(".")) and _PORT.fullmatch(length) is not None)


def _is_absolute(text: str) -> bool:
    return os.path.isabs(text) or text.startswith(("~", "./", "../"))


def _may_be_a_key(text: str) -> bool:
    if len(text) < _SHORTEST_KEY or not _BASE64.fullmatch(text) or not _has_letters_and_digits(text):
        return False
    return not text.startswith("/") or "+" in text or text.endswith("=")


def _has_letters_and_digits(text: str) -> bool:
    return any(map(str.isalpha, text)) and any(map(str.isdecimal, text))


def _is_word(word: str) -> bool:
    bare = word.strip(_AROUND_A_WORD)
    if not bare:
        return len(word) < 4
    if bare.replace(".", "").isdecimal():
        return len(bare) <= _LONGEST_NUMBER
    return len(bare) <= _LONGEST_WORD and re.sub(r"[-'\u2019]", "", bare).isalpha()
