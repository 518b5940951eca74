import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "costs.md"
HEAD = "| measured |"


def table_in(text):
    """The first table that measures something: its columns, and its rows without their counts."""
    lines = text[text.index(HEAD) :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return cells[0], {re.sub(r"[\d,]+ ", "", row[0]): row[1:] for row in cells[2:]}


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_peers_are_measured_as_the_page_quotes_them():
    """The benchmark beside other ways runs, names what it leaves out, and gives the rows of the page."""
    command = [sys.executable, ROOT / "benchmarks" / "peers.py", "--rounds", "1", "--connections", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr
    assert "pip-system-certs left out: not installed" in result.stdout
    columns, rows = table_in(result.stdout)
    quoted_columns, quoted_rows = table_in(PAGE.read_text(encoding="utf-8"))
    assert columns == [title for title in quoted_columns if title != "pip-system-certs"]
    assert list(rows) == list(quoted_rows)
    assert all(re.fullmatch(r"—|1 \(.+ [mµ]?s\)|[\d.,/]+ (± \d+%|MiB)", cell) for row in rows.values() for cell in row)
