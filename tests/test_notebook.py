"""The magics, and ``start()``, in a real kernel."""

import re
import sys

import pytest
from servers import BODY

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("jupyter_client", reason="jupyter_client is not installed")

from kernels import running

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("kernel"),
]

PREPARE = """
import asyncio, os, ssl, threading, urllib.error, urllib.request
import trusted_context
from trusted_context import current
url = {url!r}

def fetch():
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read().decode()
    except urllib.error.URLError as error:
        return type(error.reason).__name__

def in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(fetch()))
    thread.start()
    thread.join()
    return found[0]
"""
GOOD, BAD = BODY.decode(), "SSLCertVerificationError"


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory):
    with running(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel, server):
    """A kernel with the extension loaded and no block live, for all tests of this file."""
    shared_kernel.run("%reset -f")
    shared_kernel.run(PREPARE.format(url=server.url))
    assert not shared_kernel.run("%load_ext trusted_context").error
    yield shared_kernel
    ended = shared_kernel.run(
        "%unload_ext trusted_context\nwhile current():\n    current().stop()\nprint(fetch(), current())"
    )
    assert ended.printed.split() == [BAD, "None"], ended


def test_the_magic_governs_from_its_cell_on_until_off(kernel, ca_file):
    """In the cells after it, in other threads, in cells with ``await``; alone it says what governs."""
    assert "no block governs" in kernel.run("%trusted_context").printed
    said = kernel.run(f"%trusted_context {ca_file}\nprint(fetch())").printed
    assert said.splitlines()[0].endswith(
        "every host is verified; not strict (VERIFY_X509_TRUSTED_FIRST, VERIFY_X509_PARTIAL_CHAIN)"
    )
    assert said.splitlines()[1] == GOOD
    assert kernel.run("print(fetch(), in_a_thread(), sep=',')").printed.strip() == f"{GOOD},{GOOD}"
    assert (
        kernel.run("await asyncio.sleep(0)\nprint(fetch(), await asyncio.to_thread(fetch), sep=',')").printed.strip()
        == f"{GOOD},{GOOD}"
    )
    assert str(ca_file) in kernel.run("%trusted_context").printed
    assert "no block governs" in kernel.run("%trusted_context off").printed
    assert kernel.run("print(fetch(), in_a_thread())").printed.split() == [BAD, BAD]
    assert "no block governs" in kernel.run("%trusted_context off").printed


def test_the_magic_run_again_replaces_itself(kernel, ca_file, other_file):
    """One block is live after any number of them, also where one ran in a cell with ``await``; threads see no gap."""
    kernel.run(f"%trusted_context {ca_file}")
    kernel.run(f"await asyncio.sleep(0)\n%trusted_context {other_file}")
    assert kernel.run(
        "from trusted_context.core import live\nprint(len(live.all_live()), fetch())"
    ).printed.split() == ["1", BAD]
    kernel.run("""
        seen, stop = set(), threading.Event()
        def look():
            while not stop.is_set():
                seen.add(current() is None)
        looker = threading.Thread(target=look); looker.start()
    """)
    for options in (f"{ca_file}", f"{other_file}", "--insecure a.test", "--insecure b.test", f"{ca_file}"):
        assert not kernel.run(f"%trusted_context {options}").error
    assert (
        kernel.run("stop.set(); looker.join()\nprint(seen, len(live.all_live()), fetch())").printed.strip()
        == f"{{False}} 1 {GOOD}"
    )


@pytest.mark.parametrize("enter", ["%trusted_context {file}", "trusted_context.trusted_context({file!r}).start()"])
def test_what_a_cell_with_await_began_governs_after_it(enter, kernel, ca_file, other_file):
    """Also where a cell without ``await`` had begun a block before: the newest governs."""
    kernel.run(f"block = trusted_context.trusted_context({str(other_file)!r}).start()")
    kernel.run(f"await asyncio.sleep(0)\n{enter.format(file=str(ca_file))}")
    assert kernel.run("print(fetch())").printed.strip() == GOOD
    assert kernel.run("await asyncio.sleep(0)\nprint(fetch())").printed.strip() == GOOD
    assert kernel.run("block.stop()\nprint(fetch())").printed.strip() == GOOD


def test_what_cannot_be_entered_leaves_what_was_on(kernel, ca_file):
    """A missing file is an error that names it, wrong options are a usage; both in a few lines without our frames."""
    kernel.run(f"%trusted_context {ca_file}")
    failed = kernel.run("%trusted_context missing.crt")
    assert failed.error == "FileNotFoundError"
    assert "missing.crt" in failed.failed
    assert "enter_instead_of" not in failed.failed
    for line in ("--verify no", "--insecure", "x.crt 'y"):
        failed = kernel.run(f"%trusted_context {line}")
        assert failed.warned.startswith("UsageError: %trusted_context takes "), failed
        assert "Traceback" not in failed.failed + failed.warned
        assert not kernel.run(f"%%trusted_context {line}\nprint(1)").printed
    assert kernel.run("print(fetch())").printed.strip() == GOOD


def test_options_are_the_arguments_of_their_names(kernel, ca_file, server):
    """Files are quoted as in a shell; ``--insecure`` names hosts, and warns at the cell's line."""
    spaced = ca_file.with_name("with space.pem")
    spaced.write_bytes(ca_file.read_bytes())
    assert kernel.run(f'%trusted_context "{spaced}" --strict --export').error is None
    assert kernel.run("print(current(), os.environ['PIP_CERT'], sep='|')").printed.strip() == (
        f"<trusted_context(cafile=[{str(spaced)!r}], strict=True, export=True) live>|{spaced}"
    )
    warned = kernel.run(f"%trusted_context --insecure localhost:{server.server_port} --system\nprint(fetch())")
    assert warned.printed.splitlines()[-1] == GOOD
    assert "InsecureWarning: verification is off for localhost" in warned.warned
    assert "ipykernel_" in warned.warned
    assert kernel.run("print(os.environ.get('PIP_CERT'))").printed.strip() == "None"


CELLS = {
    "plain": ("x = fetch()\nprint(x)", GOOD),
    "await": ("await asyncio.sleep(0)\nprint(await asyncio.to_thread(fetch))", GOOD),
    "child": ("!{python} -c \"import os; print(os.path.basename(os.environ['PIP_CERT']))\"", "corp.pem"),
    "time": ("%%time\nprint(fetch())", GOOD),
    "blank line, then capture": ("\n%%capture found\nprint(fetch())", ""),
    "nested": ("get_ipython().run_cell('1')\nprint(fetch())", GOOD),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_magic_governs_its_cell_alone(name, kernel, ca_file):
    """Whatever the cell does: awaits, starts a child, or is another cell magic's."""
    body, said = CELLS[name]
    ran = kernel.run(f"%%trusted_context {ca_file} --export\n{body.replace('{python}', sys.executable)}")
    assert ran.error is None, ran
    assert ran.printed.partition("\n")[0].strip() == said
    if "capture" in name:
        assert kernel.run("print(found.stdout)").printed.strip() == GOOD
    assert kernel.run("print(fetch(), current(), os.environ.get('PIP_CERT'))").printed.split() == [BAD, "None", "None"]


def test_the_cell_magic_inside_another_governs_too(kernel, ca_file):
    """``%%time`` runs the cell by itself."""
    ran = kernel.run(f"%%time\n%%trusted_context {ca_file}\nprint(fetch())")
    assert ran.printed.partition("\n")[0] == GOOD
    assert kernel.run("print(current())").printed.strip() == "None"


def test_a_cell_under_the_magic_is_still_a_cell(kernel, ca_file):
    """It shows its last value, tells of a syntax error, enters nothing then, and keeps its variables."""
    assert kernel.run(f"%%trusted_context {ca_file}\nx = 1\nfetch()").result["text/plain"] == repr(GOOD)
    wrong = kernel.run(f"%%trusted_context {ca_file}\nx = 2\nx ==")
    assert wrong.error == "SyntaxError"
    assert "line 3" in wrong.failed or "x ==" in wrong.failed
    assert kernel.run("print(x, current())").printed.strip() == "1 None"


def test_a_silent_cell_under_the_magic_ends_too(kernel, ca_file):
    """Front ends run such cells for themselves."""
    kernel.run(f"%%trusted_context {ca_file}\nx = fetch()", silent=True, store_history=False)
    assert kernel.run("print(x, current())").printed.strip() == f"{GOOD} None"


@pytest.mark.parametrize("wait", ["plain", "await"])
def test_an_interrupt_in_the_middle_of_a_download_leaves_the_cell(wait, kernel, ca_file, keeper, held):
    """Ctrl-C to the kernel ends the download and the block."""
    held_url = f"{keeper.url}held"
    body = {
        "plain": f"answer = urllib.request.urlopen({held_url!r})\nprint('begun', flush=True)\nanswer.read()",
        "await": (
            f"answer = await asyncio.to_thread(urllib.request.urlopen, {held_url!r})\n"
            "print('begun', flush=True)\nawait asyncio.sleep(30)"
        ),
    }[wait]
    asked = kernel.start(f"%%trusted_context {ca_file}\n{body}")
    kernel.wait_for(asked, "begun")
    kernel.manager.interrupt_kernel()
    assert kernel.wait(asked).error in {"KeyboardInterrupt", "CancelledError"}
    assert kernel.run("print(fetch(), current())").printed.split() == [BAD, "None"]


@pytest.mark.parametrize("awaits", ["", "await asyncio.sleep(0)\n"])
@pytest.mark.parametrize(
    "enter",
    [
        "%trusted_context {file}",
        "%%trusted_context {file}",
        "block = trusted_context.trusted_context({file!r}).start()",
    ],
)
def test_a_failing_cell_shows_the_note(enter, awaits, kernel, other_file):
    """Under the magics and after ``start()``, at most once; without a block, and with other errors, there is none."""
    entry = enter.format(file=str(other_file))
    download = f"{awaits}urllib.request.urlopen(url)"
    if entry.startswith("%%"):
        failed = kernel.run(f"{entry}\n{download}")
    else:
        kernel.run(entry)
        failed = kernel.run(download)
    assert failed.error == "URLError"
    assert failed.failed.count("  trusted    cafile=") == 1, failed.failed
    assert "  presented  " in failed.failed
    if not entry.startswith("%%"):
        assert "  trusted " not in kernel.run("1 / 0").failed
        kernel.run("%trusted_context off\nwhile current():\n    current().stop()")
    assert "  trusted " not in kernel.run(download).failed


def test_the_traceback_of_a_failing_cell_hides_our_frames_alone(kernel, other_file):
    """The cell's line, urllib's frames, the last one and the chained error are there; how many are hidden is said."""
    failed = kernel.run(f"%%trusted_context {other_file}\nurllib.request.urlopen(url)")
    assert "skipping hidden" in failed.failed
    assert not re.search(r"trusted_context/(clients|core)/", failed.failed.replace("\\", "/"))
    for text in (
        "urllib.request.urlopen(url)",
        "http/client.py",
        "SSLCertVerificationError",
        "URLError",
        "do_handshake",
    ):
        assert text in failed.failed.replace("\\", "/")


@pytest.mark.parametrize("cell", ["cell-1", None])
def test_start_in_a_cell_that_runs_again_replaces_what_it_started(cell, kernel, ca_file, other_file):
    """By the cell's name where the front end gives one, so that its text may change; by the statement elsewhere."""
    kernel.run("from trusted_context.core import live")
    start = f"block = trusted_context.trusted_context({str(other_file)!r}).start()"
    for _ in range(3):
        kernel.run(start, cell=cell)
    assert kernel.run("print(len(live.all_live()), fetch())").printed.split() == ["1", BAD]
    other = f"mine = trusted_context.trusted_context({str(ca_file)!r}).start()"
    kernel.run(other, cell=cell)
    kernel.run(other, cell=cell and "cell-2")
    assert kernel.run("print(len(live.all_live()), fetch())").printed.strip() == f"2 {GOOD}"
    kernel.run("mine.stop()")
    assert kernel.run("print(fetch())").printed.strip() == (GOOD if cell else BAD)


def test_start_twice_in_one_run_of_a_cell_starts_two(kernel, ca_file, other_file):
    """Only what an earlier run of the cell started is replaced, all of it; cells with ``await`` are cells too."""
    kernel.run("from trusted_context.core import live")
    code = (
        f"for file in ({str(ca_file)!r}, {str(other_file)!r}):\n"
        "    await asyncio.sleep(0)\n"
        "    trusted_context.trusted_context(file).start()"
    )
    for cell in ("one", "one", "two"):
        assert kernel.run(code, cell=cell).error is None
    assert kernel.run("print(len(live.all_live()))").printed.strip() == "4"


def test_start_outside_a_cell_replaces_nothing(kernel, ca_file):
    """Threads are no cells."""
    kernel.run("from trusted_context.core import live")
    code = (
        f"thread = threading.Thread(target=trusted_context.trusted_context({str(ca_file)!r}).start)\n"
        "thread.start(); thread.join()"
    )
    kernel.run(code, cell="one")
    kernel.run(code, cell="one")
    assert kernel.run("print(len(live.all_live()))").printed.strip() == "2"


STATE = """
def parts():
    shell = get_ipython()
    callbacks = {name: list(found) for name, found in shell.events.callbacks.items()}
    magics = {kind: dict(found) for kind, found in shell.magics_manager.magics.items()}
    return (list(shell.input_transformers_cleanup), callbacks, magics, dict(vars(shell.InteractiveTB)),
            shell.InteractiveTB.structured_traceback, dict(vars(shell).get("custom_exceptions", ()) or {}))
"""


def test_unloading_gives_everything_back(kernel, ca_file):
    """Transformers, events, magics and the traceback are what they were, and the magic's block has ended."""
    kernel.run("%unload_ext trusted_context")
    kernel.run(STATE)
    kernel.run("before = parts()")
    kernel.run("%load_ext trusted_context")
    kernel.run(f"%trusted_context {ca_file}\nloaded = parts()")
    kernel.run("%unload_ext trusted_context")
    assert kernel.run("print(before == parts(), before == loaded, current())").printed.split() == [
        "True",
        "False",
        "None",
    ]
    assert kernel.run("%trusted_context").error is None
    assert "not found" in kernel.run("%trusted_context").warned
    kernel.run("%load_ext trusted_context")
    assert kernel.run(f"%%trusted_context {ca_file}\nfetch()").result["text/plain"] == repr(GOOD)


def test_unloading_leaves_what_other_code_put_over_ours(kernel, other_file):
    """Their function stays and works; ours, which it calls, adds nothing any more."""
    kernel.run(
        "shower = get_ipython().InteractiveTB\nours = shower.structured_traceback\ncalls = []\n"
        "def theirs(*args, **kwargs):\n    calls.append(1)\n    return ours(*args, **kwargs)\n"
        "shower.structured_traceback = theirs"
    )
    kernel.run("%unload_ext trusted_context")
    kernel.run(f"block = trusted_context.trusted_context({str(other_file)!r}).start()")
    failed = kernel.run("urllib.request.urlopen(url)")
    assert failed.error == "URLError"
    assert "  trusted " not in failed.failed
    assert kernel.run("print(shower.structured_traceback is theirs, len(calls) > 0)").printed.strip() == "True True"
    kernel.run("del shower.structured_traceback")
    kernel.run("%load_ext trusted_context")


def test_the_extension_can_be_reloaded(kernel, ca_file):
    """``%reload_ext`` leaves one of each."""
    kernel.run("%reload_ext trusted_context")
    kernel.run("%load_ext trusted_context")
    assert kernel.run(f"%%trusted_context {ca_file}\nfetch()").result["text/plain"] == repr(GOOD)
    names = "[one for one in get_ipython().input_transformers_cleanup if 'trusted' in one.__module__]"
    assert kernel.run(f"print(len({names}))").printed.strip() == "1"


def test_a_kernel_completes_the_methods_and_the_public_names(kernel):
    """After a call and after a variable, and the names to import."""
    kernel.run("from trusted_context import trusted_context as tc\nblock = tc()")
    for code in ("tc('x').", "block."):
        offered = {name.rpartition(".")[2] for name in kernel.complete(code)}
        assert {"start", "stop", "describe", "refresh"} <= offered, code
    offered = kernel.complete("from trusted_context import ")
    assert {"check", "current", "explain", "trusted_context", "TrustedContext"} <= offered


def test_a_kernel_shows_html_and_one_line(kernel, ca_file):
    """Front ends choose."""
    shown = kernel.run(f"trusted_context.trusted_context({str(ca_file)!r})").result
    assert shown["text/html"].startswith("<div")
    assert len(shown["text/plain"].splitlines()) == 1
