"""The suites of those who use what a block touches: plainly, inside a block, and with a block around each test.

``python suites/run.py NAME FOLDER``: the same tests pass each time, but for those that ``differences.json`` explains.
*FOLDER* is where source distributions are unpacked; what a suite needs beside them is installed already (noxfile.py).

Tests that differ, and that nothing explains, are run again without the others, twice in each mode. One counts where it
differs in one of these runs, unless plain runs differ among themselves. The others are named: such a test is flaky, or
differs only after others. An explained test that passes or fails alike in every mode is an error, too, so that the file
stays true.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile

_HERE = pathlib.Path(__file__).parent
_MODES = ("plain", "process", "each")
# Nor what asks the network, or takes more than packages.
_LEFT_OUT = "not network and not online and not autobahn and not dev_mode and not internal"
# Without a suite's own options, which measure coverage and start workers.
_PYTEST = ("-q", "-o", "addopts=", "-p", "recording", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=60")
# A CA file that the machine names is not theirs, and would decide what some of their tests see.
_NAMING_CAS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
_PATHS = {
    "requests": ["tests"],
    "urllib3": ["test"],
    "httpx": ["tests"],
    # What chooses contexts and makes connections; of the whole, a tenth took four minutes on a busy machine.
    "aiohttp": [
        "tests/test_client_connection.py",
        "tests/test_client_fingerprint.py",
        "tests/test_client_session.py",
        "tests/test_connector.py",
        "tests/test_proxy.py",
        "tests/test_proxy_functional.py",
    ],
    "vcrpy": ["tests"],
    "responses": ["responses/tests"],
    # What makes connections, reads them or chooses their CA file: the rest is thousands of tests of data.
    "botocore": [
        "tests/unit/test_awsrequest.py",
        "tests/unit/test_client.py",
        "tests/unit/test_credentials.py",
        "tests/unit/test_endpoint.py",
        "tests/unit/test_eventstream.py",
        "tests/unit/test_http_client_exception_mapping.py",
        "tests/unit/test_http_session.py",
        "tests/unit/test_httpchecksum.py",
        "tests/unit/test_response.py",
        "tests/unit/test_session.py",
        "tests/unit/test_tokens.py",
        "tests/unit/test_utils.py",
    ],
}
# Fails by chance, plainly as well: its server may close the connection while the body is sent (BrokenPipeError).
_FLAKY = {"vcrpy": ["tests/integration/test_requests.py::test_post_chunked_binary"]}
# The CA file that a suite's servers need, which its project names in the environment, too: a block goes by it as well.
_CAS = {"vcrpy": "pytest_httpbin.certs"}
CPYTHON = ("test_urllib2", "test_urllib2_localnet", "test_httplib", "test_ssl", "test_importlib")


def unpacked(name, folder):
    """The folder of the installed version's source distribution."""
    from importlib.metadata import version

    wanted = f"{name}=={version(name)}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(folder), wanted], check=True, timeout=600)
    (archive,) = folder.glob(f"{name}-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def name_ca(name):
    """Let the environment name the CA file that this suite wants, or none."""
    for variable in _NAMING_CAS:
        os.environ.pop(variable, None)
    if name in _CAS:
        os.environ["REQUESTS_CA_BUNDLE"] = importlib.import_module(_CAS[name]).where()


def passed(command, cwd, mode, folder, label=""):
    """The tests that pass in this mode; *label* keeps the output of further runs apart.

    Raises:
        SystemExit: the run ended before it could say.
    """
    record = folder / f"{mode}{label}.json"
    record.unlink(missing_ok=True)
    environment = os.environ | {
        "SUITE_MODE": mode,
        "SUITE_PASSED": str(record),
        "PYTHONPATH": str(_HERE),
        "PYTHONHASHSEED": "0",  # some suites compare the words of sets
    }
    with (folder / f"{mode}{label}.txt").open("w") as output:
        subprocess.run(command, cwd=cwd, env=environment, stdout=output, stderr=output, timeout=1800, check=False)
    if not record.exists():
        sys.exit(f"no result of the run {mode}{label}: see {folder}")
    return set(json.loads(record.read_text()))


def lasting(differing, command, cwd, mode, folder):
    """Those of the tests that differ again, and not among plain runs."""
    again = [*command, *sorted(differing)]
    plain, block = (
        [passed(again, cwd, each, folder, f"-{mode}-again{number}") for number in (1, 2)] for each in ("plain", mode)
    )
    steady = {test for test in differing if (test in plain[0]) == (test in plain[1])}
    return steady & ((plain[0] ^ block[0]) | (plain[1] ^ block[1]))


def main(name, folder):
    """Compare the three runs.

    Raises:
        SystemExit: another set of tests passes inside a block, and nothing explains why; or what is explained does
            not differ.
    """
    folder = pathlib.Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if name in CPYTHON:
        command, names, cwd = [sys.executable, str(_HERE / "recording.py")], [f"test.{name}"], folder
    else:
        command, names = [sys.executable, "-m", "pytest", *_PYTEST, "-m", _LEFT_OUT], _PATHS[name]
        command += [f"--deselect={test}" for test in _FLAKY.get(name, ())]
        cwd = unpacked(name, folder)  # pip may need the machine's own CA file
    name_ca(name)
    plain, *others = (passed([*command, *names], cwd, mode, folder) for mode in _MODES)
    if not plain:
        sys.exit(f"{name}: no test passes: see {folder}")
    explained = json.loads((_HERE / "differences.json").read_text()).get(name, {})
    wrong, seen = [], set()
    for mode, found in zip(_MODES[1:], others, strict=True):
        print(f"{name}: {len(plain)} pass plainly, {len(found)} with a block ({mode})")
        seen |= plain ^ found
        differing = (plain ^ found) - set(explained)
        counting = lasting(differing, command, cwd, mode, folder) if differing else set()
        for test in sorted(differing - counting):
            print(f"{mode}: {test} (not again)")
        wrong += [f"{mode}: {test}" for test in sorted(counting)]
    wrong += [f"explained, but no difference: {test}" for test in sorted(set(explained) - seen)]
    if wrong:
        print(*wrong, sep="\n")
        sys.exit(f"{name}: {len(wrong)} differences or explanations are wrong: see {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
