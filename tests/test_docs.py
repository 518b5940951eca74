"""The documentation says what is so: its code runs, each cause has its page, each variable its row."""

import ast
import re
from pathlib import Path

import pytest
from failing import failure_of

from trusted_context import current, explain
from trusted_context.explanations.table import KINDS
from trusted_context.sources.environment import VARIABLES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<why>.+?) -->\n)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
# A server of the pages, in whose place the tests' own answers.
EXAMPLE = "https://files.corp.example/"


def page_id(page):
    return str(page.relative_to(ROOT))


def blocks_of(page):
    """The Python code of a page, each with whether it runs."""
    return [(found["code"], found["why"] is None) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=page_id)
def test_the_code_of_a_page_runs(page, server, ca, tmp_path, monkeypatch):
    """A page's Python code, from top to bottom, runs against a real server; what cannot run says why, and compiles."""
    monkeypatch.chdir(tmp_path)
    ca.cert_pem.write_to_path(tmp_path / "corp.crt")
    names = {"__name__": "page"}
    for code, runs in blocks_of(page):
        source = code.replace(EXAMPLE, server.url)
        compiled = compile(source, page_id(page), "exec", flags=0 if runs else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if runs:
            exec(compiled, names)
    while block := current():
        block.stop()


def test_each_cause_has_a_page_and_each_page_a_cause():
    """The last line of a note names a page that there is."""
    pages = {page.stem for page in (DOCS / "errors").glob("*.md")} - {"index"}
    assert pages == set(KINDS)
    index = (DOCS / "errors" / "index.md").read_text(encoding="utf-8")
    assert all(f"]({name}.md)" in index for name in KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_the_page_of_a_cause_has_the_lines_that_people_see(name):
    """OpenSSL's words for a cause, and the reasons of TLS errors that mean it, can be searched for."""
    page = (DOCS / "errors" / f"{name}.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page
    for words in KINDS[name].openssl.values():
        assert f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words}\n" in page
    for reason in KINDS[name].reasons:
        assert f"[SSL: {reason}]" in page


def test_the_last_line_of_a_note_names_the_page(bad):
    """Whoever reads the note finds the page."""
    assert (
        str(explain(failure_of(bad["expired"]))).splitlines()[-1] == "  more       trusted-context docs: errors/expired"
    )


def test_the_page_of_the_variables_is_what_is_exported():
    """The table has a row for each variable and its readers, in the order in which they are set."""
    rows = [f"| `{name}` | {readers} |" for name, readers in VARIABLES.items()]
    page = (DOCS / "reference" / "variables.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- variables -->\n(.*?)\n<!-- /variables -->", page, re.DOTALL)
    assert found
    assert found[1].splitlines()[2:] == rows, "\n".join(rows)


def test_the_readme_is_one_screen():
    """Whoever arrives reads it to its end."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1200


@pytest.mark.parametrize("page", [*PAGES, *sorted(ROOT.glob("[!R]*.md"))], ids=page_id)
def test_no_link_leads_to_a_file_that_is_not_there(page):
    """Links within the repository lead somewhere."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target
