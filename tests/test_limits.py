"""The limits on size and count that docs/reference/limits.md states are those in force, at their very border.

Those of CA material are tested in test_bundle_limits.py, those of settings files in test_check_hostile.py, and those
of the search in test_check_search.py.
"""

import itertools
import re
from pathlib import Path

import pytest
from issuing import issue, root
from servers import Server, serving

from trusted_context import check, explain
from trusted_context.checks import check as checking
from trusted_context.checks import key_stores, probe, search, settings, several, tunnel
from trusted_context.checks.target import parse_proxy, parse_target
from trusted_context.core import certificate, hosts, redaction
from trusted_context.explanations import notes, walk
from trusted_context.sources import bundles, forms

TABLE = (Path(__file__).parents[1] / "docs/reference/limits.md").read_text(encoding="utf-8").partition("## Sizes")[2]
ROWS = dict(re.findall(r"^\| (.+?) \| (.*?\d.*?) \|", TABLE, re.MULTILINE))
MIB = 1 << 20
IN_FORCE = {
    "a CA file, or CA material as text or bytes": (bundles._MAX_BYTES // MIB, forms._MOST_CERTIFICATES),
    "a folder of CAs": (bundles._MOST_FILES, bundles._MOST_FOLDER_BYTES // MIB),
    "pieces that were skipped, in warnings": (bundles._MOST_SKIPPED,),
    "a host": (hosts._LONGEST_NAME, hosts._LONGEST_LABEL),
    "a URL of a server or a proxy": (hosts._LONGEST_URL,),
    "a URL in a message": (redaction._LONGEST_URL,),
    "a path in a message": (redaction._LONGEST_PATH,),
    "a name of a certificate in a message": (certificate._LONGEST,),
    "exceptions that hold each other": (walk._MOST, walk._MOST),
    "the texts of an exception": (walk._MOST_TEXTS, walk._LONGEST_TEXT),
    "members of an exception group that get a note": (notes._MOST_OF_A_GROUP,),
    "frames of a traceback, in an explanation": (walk._MOST_FRAMES, walk._LONGEST_TRACEBACK),
    "servers in one call of `trusted-context check`": (several._MOST_AT_ONCE,),
    "certificates of a server in a report, and names of each": (checking._MOST_CERTIFICATES,),
    "addresses of a server that are tried": (probe._MOST_ADDRESSES,),
    "a proxy's answer to a check": (tunnel._LONGEST_ANSWER // 1024,),
    "another program's settings file": (settings._MOST_BYTES // MIB, settings._MOST_ENTRIES),
    "a path that such a file names": (settings._LONGEST_PATH,),
    "a search for CAs": (
        search.MOST_FILES,
        search._LARGEST // MIB,
        search._MOST_BYTES // MIB,
        int(search.MOST_SECONDS),
    ),
    "a Java key store, or a browser's database": (key_stores._MOST_ENTRIES,),
}
FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"


def test_each_limit_that_is_stated_is_in_force():
    """No row is missing, and each number is the code's."""
    stated = {name: tuple(int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row)) for name, row in
              ROWS.items()}  # fmt: skip
    assert stated == IN_FORCE


@pytest.mark.parametrize(
    ("longest", "longer"),
    [
        (f"{'a' * 63}.test", f"{'a' * 64}.test"),
        ("a." * 126 + "a", "a." * 126 + "ab"),
    ],
)
def test_a_host_of_the_greatest_length(longest, longer):
    """RFC 1035, 2.3.4."""
    assert hosts.parse_host(longest) == (longest, None)
    with pytest.raises(ValueError, match="too long"):
        hosts.parse_host(longer)


def test_a_url_of_the_greatest_length():
    """A URL that is longer than any server takes is refused, and not repeated."""
    longest = "https://corp.test/".ljust(16_384, "x")
    assert parse_target(longest) == ("corp.test", 443)
    assert str(parse_proxy(longest)) == "https://corp.test:443"
    for parse in (parse_target, parse_proxy):
        with pytest.raises(ValueError, match="<16385 characters>") as caught:
            parse(longest + "x")
        assert len(str(caught.value)) < 200


def test_what_is_shown_of_the_longest_texts():
    """Past it a URL or a path is its length, and a name is cut short."""
    url = "https://corp.test/".ljust(4_096, "x")
    assert redaction.show_url(url).startswith("https://corp.test/")
    assert redaction.show_url(url + "x") == "<4097 characters>"
    path = "/mnt/" + "ab/" * 339 + "ca"
    assert redaction.show_path(path) == path
    assert redaction.show_path(path + "x") == "<1025 characters>"
    assert certificate.printable("x" * 120) == "x" * 120
    assert certificate.printable("x" * 121) == "x" * 120 + "..."


def chain_of(count):
    """Errors that each have the next as their cause; the last one tells a failure."""
    errors = [RuntimeError("x") for _ in range(count - 1)] + [RuntimeError(FAILED)]
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (chain_of, 64),
        (lambda count: RuntimeError(*[1] * (count - 1), FAILED), 64),
        (lambda count: RuntimeError(*["x"] * (count - 1), FAILED), 8),
        (lambda count: RuntimeError("x" * (count - len(FAILED)) + FAILED), 65_536),
    ],
    ids=["exceptions", "arguments", "texts", "characters"],
)
def test_the_last_failure_that_is_looked_at(make, most):
    """Where a failure is told at the border it is found, and behind it is not."""
    assert explain(make(most)).cause == "expired"
    behind = explain(make(most + 1))
    assert behind is None or behind.cause == "unverified"  # of the text a part is left


def test_the_last_member_of_a_group_that_gets_a_note():
    """The ninth has none."""
    group = ExceptionGroup("x", [RuntimeError(FAILED) for _ in range(9)])
    notes.annotate(group)
    assert [hasattr(one, "__notes__") for one in group.exceptions] == [True] * 8 + [False]


def test_servers_at_once():
    """A seventeenth is one too many, and none is asked then."""
    with pytest.raises(ValueError, match="17 servers at once"):
        several.examine(["127.0.0.1:1"] * 17, None, timeout=1, tell=print)


def test_a_report_of_many_certificates_with_many_names(tmp_path):
    """Ten of each, and how many there were."""
    path = tmp_path / "root.pem"
    path.write_bytes(root().pem)
    others = [issue(f"Other {number}", root()) for number in range(10)]
    names = [f"host-{number}.test" for number in range(10)]
    server = issue("localhost", root(), names=["localhost", *names])
    with serving(Server(server.presenting(*others))) as running:
        found = check(running.url, path).as_dict()
    assert len(found["chain"]) == 10
    assert found["chain_length"] == 11
    assert len(found["chain"][0]["names"]) == 10
