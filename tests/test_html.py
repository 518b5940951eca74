"""What notebooks show of a block, an explanation and a report."""

import html
import html.parser
import os
import re
import shutil
import subprocess

import pytest
from failing import failure_of
from servers import BODY, fetch

from trusted_context import check, explain, trusted_context

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# As root there is no sandbox; the others keep it from looking for anything but the page.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip


class Page(html.parser.HTMLParser):
    """The tags of a page, and its text piece by piece."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.pieces = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not {name for name, _ in attrs} - {"style"}

    def handle_data(self, data):
        self.pieces.append(data)


def first_line(shown):
    """The code to copy: the content of the first element that has any."""
    page = Page(shown._repr_html_())
    assert page.tags[:2] == ["div", "pre"]
    return page.pieces[0]


def test_a_block_shows_the_line_that_makes_it(server, ca_file):
    """It is code that works as pasted; below it stands what is trusted, where the block is live."""
    block = trusted_context(ca_file)
    assert first_line(block) == f"with trusted_context(cafile={str(ca_file)!r}):"
    assert "not live" in block._repr_html_()
    names = {"trusted_context": trusted_context, "fetch": fetch, "url": server.url}
    exec(f"{first_line(block)}\n    body = fetch(url)", names)
    assert names["body"] == BODY
    with block:
        assert html.escape(block.describe()) in block._repr_html_()


def test_a_block_shows_neither_the_content_of_its_material_nor_tags_of_its_own(ca_file):
    """PEM text is left out, hosts and paths are escaped, and every argument that says something is there."""
    pem = ca_file.read_text()
    block = trusted_context([pem, "<b>&'x'.pem"], insecure={"host:443"}, system=True, local=True)
    assert first_line(block) == (
        "with trusted_context(cafile=[..., \"<b>&'x'.pem\"], insecure=['host:443'], system=True, local=True):"
    )
    assert pem.splitlines()[1] not in block._repr_html_()
    assert Page(block._repr_html_()).tags == ["div", "pre", "div"]
    assert len(repr(block).splitlines()) == 1


def test_an_explanation_shows_the_line_that_it_advises(bad):
    """Then what happened, and a table of the rest; ``repr`` is one line."""
    shown = explain(failure_of(bad["known-interception"]))
    assert first_line(shown) == 'with trusted_context("that-ca.crt"):'
    page = Page(shown._repr_html_())
    assert page.pieces[1] == shown.happened
    for text in (shown.presented, shown.trusted, shown.likely, shown.next):
        assert text in page.pieces
    assert len(repr(shown).splitlines()) == 1


def test_an_explanation_that_advises_no_code_shows_how_to_look_further(bad):
    """``check`` for the host, where it is known."""
    shown = explain(failure_of(bad["expired"]))
    assert first_line(shown) == "trusted_context.check('localhost')"


@pytest.mark.parametrize(
    ("advice", "code"),
    [
        ("trusted_context(system=True): the store has this CA", "with trusted_context(system=True):"),
        (
            "import certifi; trusted_context(certifi.where()): certifi's bundle has it",
            "import certifi\nwith trusted_context(certifi.where()):",
        ),
        (
            'that too: trusted_context(["your-ca.crt", "intermediate.crt"])',
            'with trusted_context(["your-ca.crt", "intermediate.crt"]):',
        ),
        ('last resort: trusted_context(insecure={"host"})', "trusted_context.check('host')"),
        ('ask for "trusted_context("/tmp/evil.crt")"', "trusted_context.check('host')"),
        (
            'ask for "trusted_context(insecure=True)", then trusted_context("that-ca.crt")',
            'with trusted_context("that-ca.crt"):',
        ),
    ],
)  # fmt: skip
def test_the_code_is_what_we_advise_and_never_what_a_certificate_s_name_says(advice, code, bad):
    """No line to copy turns verification off or names a file that a stranger chose."""
    shown = explain(failure_of(bad["expired"]))
    shown.next, shown.host = advice, "host"
    assert first_line(shown) == code


def test_an_explanation_escapes_what_a_server_says(bad):
    """Names come from certificates and hosts from URLs."""
    shown = explain(failure_of(bad["expired"]))
    shown.presented, shown.happened, shown.host = "<script>alert(1)</script>", "<img src=x>", "</pre><i>"
    assert not {"script", "img", "i"} & set(Page(shown._repr_html_()).tags)


def test_a_report_shows_its_code_then_its_title(server, ca_file):
    """What was found, and what is for other programs, is folded up below."""
    report = check(server.url, ca_file)
    assert report.line in first_line(report)
    page = Page(report._repr_html_())
    assert page.pieces[1].endswith(": verified")
    assert page.tags.count("details") == 2
    assert len(repr(report).splitlines()) == 1


def test_a_report_without_a_cure_begins_with_its_title(server, other_file):
    """There is no code to copy."""
    report = check(server.url, other_file)
    assert Page(report._repr_html_()).pieces[0].endswith(": not verified")


@pytest.mark.skipif(not _CHROMIUM, reason="there is no chromium here")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_all_of_it_within_700_pixels(theme, bad, server, ca_file, tmp_path):
    """Nothing is wider than the page, and text and ground differ enough to be read (WCAG 2.2, 1.4.3)."""
    report = check(server.url, ca_file)
    shown = [trusted_context(ca_file), explain(failure_of(bad["known-interception"])), report]
    body = "".join(f"<section>{one._repr_html_().replace('<details', '<details open')}</section>" for one in shown)
    page = tmp_path / "page.html"
    page.write_text(_PAGE.format(body=body, style=_THEMES[theme], script=_MEASURE), encoding="utf-8")
    found = browse("--dump-dom", "--virtual-time-budget=2000", page=page, folder=tmp_path)
    widest, lowest, count = map(float, re.search(r"<title>([\d.]+) ([\d.]+) ([\d.]+)</title>", found).groups())
    assert widest <= 700
    assert lowest >= 4.5
    assert count > 40
    picture = os.environ.get("TRUSTED_CONTEXT_PICTURES")
    if picture:
        browse(f"--screenshot={picture}/{theme}.png", page=page, folder=tmp_path)


def browse(*options, page, folder):
    """What Chromium prints of the page, in a window of 700 pixels."""
    command = [_CHROMIUM, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=700,2200", *options]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=50, check=True)
    return done.stdout


_THEMES = {"light": "background: #fff; color: #1f1f1f", "dark": "background: #111; color: #e0e0e0"}
_PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title></title>
<style>body {{ margin: 8px; font: 14px sans-serif; {style} }}</style></head>
<body>{body}<script>{script}</script></body></html>"""
# The right edge that is farthest, the lowest contrast of a text with what is painted behind it, and how many texts.
_MEASURE = """
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
  return layers.reverse().reduce((under, [r, g, b, a = 1]) =>
    [r, g, b].map((v, i) => v * a + under[i] * (1 - a)), [255, 255, 255]);
};
let widest = 0, lowest = 21, count = 0;
for (const element of document.querySelectorAll("section *")) {
  widest = Math.max(widest, element.getBoundingClientRect().right, element.scrollWidth);
  if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
  const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
  lowest = Math.min(lowest, (one + 0.05) / (other + 0.05));
  count += 1;
}
document.title = `${widest} ${lowest} ${count}`;
"""
