"""Libraries that have no seam of their own: what the layer below all clients makes of each, on real connections."""

import contextlib
import importlib
from pathlib import Path

import pytest
from library_row import outcome
from library_rows import ROWS
from library_servers import SERVERS

from trusted_context import trusted_context

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::trusted_context.InsecureWarning"),
    # After a refused handshake some libraries leave their sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(120),
]


# Before the process is looked at: some libraries change it when they are imported.
@pytest.fixture(params=ROWS, ids=[row.name for row in ROWS], scope="module")
def row(request):
    """A row whose library is installed."""
    if request.param.missing:
        pytest.skip(f"{', '.join(request.param.missing)}: not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks for that at import, and not this machine
        for module in request.param.needs:
            importlib.import_module(module)
    return request.param


@pytest.fixture
def spoken(row, ca):
    """A server that speaks what the row's library does, with a certificate that *ca* signed."""
    with SERVERS[row.server](ca.issue_cert("localhost", "127.0.0.1")) as server:
        yield server


def refused(use, server):
    """Whether the server could not be verified, and got no request: at once, or once a stale connection is let go."""
    asked = len(server.requests)
    first = outcome(use)
    return (outcome(use) if first == "stale" else first) == "refused" and len(server.requests) == asked


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_a_library_with_default_trust_is_verified_by_the_block(moment, row, spoken, ca_file, other_file):
    """By a CA file, by another one, by nobody, and as ever after it, whenever its client was made."""
    with contextlib.ExitStack() as stack:
        if moment == "before":
            use = stack.enter_context(row.opened(spoken, None))
            assert refused(use, spoken)
        with trusted_context(ca_file):
            if moment == "inside":
                use = stack.enter_context(row.opened(spoken, None))
            assert outcome(use) == "fetched"
        with trusted_context(other_file):
            assert refused(use, spoken)
        with trusted_context(insecure=True):
            assert outcome(use) == "fetched"
        assert refused(use, spoken)


def test_a_library_keeps_a_ca_that_was_chosen(row, spoken, ca_file, other_file):
    """What its own option says holds in a block with another CA, and in an insecure one."""
    if row.option is None:
        return  # there is nothing to choose
    with trusted_context(other_file), row.opened(spoken, ca_file) as use:
        assert outcome(use) == "fetched"
    for block in (trusted_context(ca_file), trusted_context(insecure=True)):
        with block, row.opened(spoken, other_file) as use:
            assert refused(use, spoken)


def test_a_librarys_connection_ends_with_its_block(row, spoken, ca_file, other_file):
    """The next request goes over another connection: at once, or after one error, as the table says."""
    with contextlib.ExitStack() as stack:
        with trusted_context(ca_file):
            use = stack.enter_context(row.opened(spoken, None))
            assert outcome(use) == "fetched"
            accepted = spoken.accepted
            assert outcome(use) == "fetched"
            kept = spoken.accepted == accepted
        accepted = spoken.accepted
        with trusted_context([ca_file, other_file]):
            first = outcome(use)
            assert outcome(use) == "fetched"
        assert spoken.accepted > accepted
        assert kept == (row.after != "connects anew")
        assert first == ("stale" if row.after.startswith("raises") else "fetched")


_PAGE = Path(__file__).parent.parent / "docs" / "reference" / "libraries.md"
_AFTER = {
    "reconnects": "reconnects by itself",
    "raises": "raises once, then reconnects",
    "raises until it is closed": "raises until you close it",
    "connects anew": "connects anew for each use",
}


def test_the_page_on_libraries_says_what_was_seen():
    """Its table has a line for each row that is tested here, and no other."""
    lines = ["| library | its own option for CAs | kept from a block, used after it |", "| --- | --- | --- |"]
    lines += [f"| {row.name} | {row.option or 'none'} | {_AFTER[row.after]} |" for row in ROWS]
    page = _PAGE.read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("|")] == lines
