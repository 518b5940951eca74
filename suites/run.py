"""The suites of those who use what a block touches: plainly, inside a block, and with a block around each test.

``python suites/run.py NAME FOLDER``: the same tests pass each time, but for those that ``differences.json`` explains.
*FOLDER* is where source distributions are unpacked; what a suite needs beside them is installed already (noxfile.py).
"""

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
    "aiohttp": ["tests"],
    "vcrpy": ["tests"],
    "responses": ["responses/tests"],
    "botocore": ["tests/unit"],
}
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


def passed(command, cwd, mode, folder):
    """The tests that pass in this mode."""
    record = folder / f"{mode}.json"
    record.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in _NAMING_CAS} | {
        "SUITE_MODE": mode,
        "SUITE_PASSED": str(record),
        "PYTHONPATH": str(_HERE),
        "PYTHONHASHSEED": "0",  # some suites compare the words of sets
    }
    with (folder / f"{mode}.txt").open("w") as output:
        subprocess.run(command, cwd=cwd, env=environment, stdout=output, stderr=output, timeout=1800, check=False)
    return set(json.loads(record.read_text()))


def main(name, folder):
    """Compare the three runs.

    Raises:
        SystemExit: another set of tests passes inside a block, and nothing explains why.
    """
    folder = pathlib.Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if name in CPYTHON:
        command, cwd = [sys.executable, str(_HERE / "recording.py"), f"test.{name}"], folder
    else:
        command, cwd = (
            [sys.executable, "-m", "pytest", *_PYTEST, "-m", _LEFT_OUT, *_PATHS[name]],
            unpacked(name, folder),
        )
    plain, *others = (passed(command, cwd, mode, folder) for mode in _MODES)
    explained = json.loads((_HERE / "differences.json").read_text()).get(name, {})
    unexplained = []
    for mode, found in zip(_MODES[1:], others, strict=True):
        print(f"{name}: {len(plain)} pass plainly, {len(found)} with a block ({mode})")
        unexplained += [f"{mode}: {test}" for test in sorted(plain ^ found) if test not in explained]
    if not plain:
        sys.exit(f"{name}: no test passes: see {folder}")
    if unexplained:
        print(*unexplained, sep="\n")
        sys.exit(f"{name}: {len(unexplained)} differences that nothing explains: see {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
