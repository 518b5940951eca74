"""What is shown of URLs, paths and words, and the form in which equal URLs are equal."""

from __future__ import annotations

import contextlib
import urllib.parse

from hostile import MARK, as_text, assert_hidden, assert_linear, planted

from trusted_context.core import hosts, redaction, urls


def _show_entry(section: str) -> str:
    return redaction.show_setting(f"{section}.cert")  # a settings file's entry has one of a few names


_OF_A_URL = (redaction.show_url, redaction.quote_url, redaction.show_host, redaction.show_exceptions)
_OF_ANYTHING = (*_OF_A_URL, redaction.show_path, redaction.show_argument, _show_entry, redaction.show_words)


def check(content: bytes) -> None:
    """Show *content*, with a secret where a secret may stand."""
    text = as_text(content)
    for show in _OF_ANYTHING:
        assert len(str(show(text))) <= 10 * len(text) + 40, "it shows more than there is"
    for secret in (f"u:{MARK}@", f"://u:{MARK}@h/", f"?{MARK}", f"?x=1&token={MARK}&y"):
        for show in _OF_ANYTHING:
            assert_hidden(show(planted(text, secret)))
    for show in _OF_A_URL:
        assert_hidden(show(planted(text, f"#{MARK}")))
    assert_hidden(redaction.show_path(planted(text, f"={MARK}/")))
    assert_hidden(redaction.show_words(planted(text, MARK)))
    assert_hidden(redaction.show_error(OSError(1, planted(text, MARK))))
    _is_one_form(text)
    assert_linear(_show, content)


def _is_one_form(text: str) -> None:
    """Equal spellings of a URL stay equal, and a form is in its own form."""
    quoted = urllib.parse.quote(text, safe="/?", errors="surrogateescape")
    form = urls.normalise_selector(quoted)
    assert form.startswith("/")
    assert urls.normalise_selector(form) == form
    everything = "".join(f"%{byte:02x}" if byte not in b"/?" else chr(byte) for byte in _bytes(text))
    assert urls.normalise_selector(everything) == form
    with contextlib.suppress(ValueError):
        host = hosts.parse_url(f"https://{text}").host
        bare = f"[{host}]" if ":" in host else host
        normal = urls.normalise_authority(bare)
        assert normal == urls.normalise_authority(f"{bare}:443") == urls.normalise_authority(bare.upper())


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _show(content: bytes) -> None:
    text = as_text(content)
    for show in _OF_ANYTHING:
        show(text)
    urls.normalise_selector(text)
    urls.normalise_authority(text)
