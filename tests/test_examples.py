import contextlib
import importlib.util
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
STRICT = ("-W", "error")

# A block that verifies nothing, whatever it is told.
LAX = """
import runpy, sys, trusted_context
real = trusted_context.trusted_context
trusted_context.trusted_context = lambda *args, **kwargs: real(insecure=True)
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[1] + "/quickstart.py", run_name="__main__")
"""

NOTEBOOK = """
import nbclient, nbformat
notebook = nbformat.read("notebook.ipynb", as_version=4)
nbclient.NotebookClient(notebook, timeout=40, kernel_name="python3").execute()
for cell in notebook.cells:
    if cell.cell_type == "code":
        print("#", cell["id"])
        print("".join(output.get("text", "?") for output in cell.outputs), end="")
"""

# The archive of the test is not the one whose checksums torchvision knows.
TORCHVISION = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
import real
real.import_torchvision()
from torchvision.datasets import CIFAR10
CIFAR10.tgz_md5 = CIFAR10.meta["md5"] = None
CIFAR10.train_list = [[name, None] for name, _ in CIFAR10.train_list]
CIFAR10.test_list = [[name, None] for name, _ in CIFAR10.test_list]
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments, cwd, env=None):
    """What Python prints when run with the arguments, and how it ends."""
    command = [sys.executable, *map(str, arguments)]
    env = (env or os.environ) | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=50, check=False, cwd=cwd, env=env
    )


@pytest.fixture
def folder(tmp_path):
    """The folder that temporary files go to."""
    made = tmp_path / "temporary"
    made.mkdir()
    return made


@pytest.fixture
def hostile(folder, tmp_path):
    """An environment with CA variables that name nothing and proxies that do not answer."""
    missing, dead = str(tmp_path / "missing.pem"), "http://127.0.0.1:9"
    bundles = dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), missing)
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), dead)
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    return os.environ | bundles | proxies | folders | {"NO_PROXY": "example.org"}


@pytest.fixture
def elsewhere(tmp_path):
    """A folder to run a script in; it is left empty."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    yield made
    assert not list(made.iterdir())


def steps_of(output):
    """The lines below each step's title, by the step's number."""
    parts = re.split(r"^(\d)\. ", output, flags=re.MULTILINE)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_the_quickstart_goes_as_told_on_a_machine_with_settings_of_its_own(hostile, elsewhere, folder):
    """Failure, CA file, system store, variable, insecure, and nothing left behind; each download shows its bar."""
    done = run(*STRICT, EXAMPLES / "quickstart.py", cwd=elsewhere, env=hostile)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY"):
        assert name in done.stdout.partition("1. ")[0]
    steps = steps_of(done.stdout)
    assert list(steps) == [1, 2, 3, 4, 5, 6]
    assert "CERTIFICATE_VERIFY_FAILED" in steps[1]
    for number, words in {2: "cafile=ca.pem: 1 CA", 4: "SSL_CERT_FILE=ca.pem: 1 CA", 5: "InsecureWarning"}.items():
        assert words in steps[number]
        assert re.search(r"100% \|\S+\| 2\.\d+MB of 2\.\d+MB", steps[number])
        assert "800 images" in steps[number]
    assert "%" not in steps[1] + steps[3] + steps[6]
    for words in ("the same object", "the same values", "CERTIFICATE_VERIFY_FAILED again", "All went as told."):
        assert words in steps[6]
    assert str(folder) not in done.stdout
    assert not list(folder.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_the_quickstart_moves_its_bar_in_a_terminal(hostile, elsewhere):
    """Each download draws its bar many times over, on one line."""
    ours, its = os.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, EXAMPLES / "quickstart.py"]
        started = subprocess.Popen(command, cwd=elsewhere, env=hostile, stdout=its)
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # on Linux it ends so, on macOS with nothing to read
            while data := terminal.read(65536):
                shown += data
        assert started.wait(50) == 0
    bars = [line for line in shown.decode().split("\n") if "% |" in line]
    assert len(bars) == 3
    assert all(bar.count("\r") > 4 for bar in bars)


def test_the_quickstart_says_what_did_not_go_as_told(hostile, elsewhere, folder):
    """A server that is trusted where it must not be ends it with a message and a status that is not 0."""
    done = run("-c", LAX, EXAMPLES, cwd=elsewhere, env=hostile)
    assert done.returncode == 1
    assert done.stderr.strip() == "This did not go as told: the server was trusted, and should not have been"
    assert not list(folder.iterdir())


def test_the_decorator_covers_a_function_a_coroutine_and_a_generator(hostile, elsewhere, folder):
    """Each of them downloads all of it; between the generator's pieces no block is live."""
    done = run(*STRICT, EXAMPLES / "decorators.py", cwd=elsewhere, env=hostile)
    assert (done.returncode, done.stderr) == (0, "")
    sizes = dict(re.findall(r"^(\w+) +(\d+) bytes", done.stdout, flags=re.MULTILINE))
    assert list(sizes) == ["function", "coroutine", "generator"]
    assert len(set(sizes.values())) == 1
    assert done.stdout.count("current() is None") > 1
    assert not list(folder.iterdir())


def test_the_decorator_downloads_from_a_url_that_it_is_given(server, ca_file, elsewhere):
    """With the CA's file and a URL it starts no server of its own."""
    done = run(*STRICT, EXAMPLES / "decorators.py", "--cafile", ca_file, server.url, cwd=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("10 bytes") == 3
    assert len(server.requests) == 3


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("nbclient", "ipykernel"))), reason="nbclient and ipykernel are not installed"
)
def test_the_notebook_runs_from_top_to_bottom(hostile, folder, tmp_path):
    """A block lasts for one cell as ``with`` or ``%%``, for many from ``start()`` or ``%`` on, and not longer."""
    own = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    done = run("-c", NOTEBOOK, cwd=EXAMPLES, env=hostile | own)
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^# ([\w-]+)\n", done.stdout, flags=re.MULTILINE)
    cells = dict(zip(parts[1::2], parts[2::2], strict=True))
    failed, size = "CERTIFICATE_VERIFY_FAILED", r"^\d{7} bytes$"
    told = {
        "server": [failed],
        "with": [size, "^None$"],
        "start": [r"ca\.pem: 1 CA; every host is verified"],
        "inside": [size, "^True$"],
        "stop": [failed],
        "again": [size],
        "again-stop": ["^None$"],
        "load": [],
        "magic": [r"governs: cafile=.*ca\.pem: 1 CA; every host is verified", size],
        "off": ["^no block governs", failed],
        "cell-magic": [size],
        "end": ["^None$", failed],
    }
    assert list(cells) == list(told)
    for name, patterns in told.items():
        lines = cells[name].splitlines()
        assert len(lines) == len(patterns), name
        assert all(map(re.search, patterns, lines)), name
    assert not list(folder.iterdir())


@pytest.mark.torchvision
@pytest.mark.skipif(not importlib.util.find_spec("torchvision"), reason="torchvision is not installed")
def test_torchvision_downloads_cifar10_from_a_mirror(server, ca_file, tmp_path):
    """The real CIFAR10 fetches, unpacks and loads what the mirror has, by a CA that is trusted in the block alone."""
    server.files["/cifar-10-python.tar.gz"] = make_small_cifar10()
    script, url = EXAMPLES / "torchvision_cifar10.py", f"{server.url}cifar-10-python.tar.gz"
    options = ("--cafile", ca_file, "--url", url, "--root", "data")
    done = run("-c", TORCHVISION, Path(__file__).parent, script, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"cafile={ca_file}: 1 CA" in done.stdout
    assert "10 images; the first has (32, 32) pixels and is labelled 'ship'" in done.stdout
    assert "100%" in done.stderr  # torchvision's own bar
    assert (tmp_path / "data" / "cifar-10-batches-py" / "test_batch").is_file()


def make_small_cifar10():
    """An archive like the real one, with two images in each batch."""
    import numpy as np

    batch = {"labels": [1, 0], "data": np.zeros((2, 3 * 32 * 32), np.uint8)}
    files = dict.fromkeys(("test_batch", *(f"data_batch_{number}" for number in range(1, 6))), batch)
    files["batches.meta"] = {"label_names": ["frog", "ship"]}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            data = pickle.dumps(content, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive.getvalue()
