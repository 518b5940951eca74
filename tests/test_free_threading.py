"""Pythons without a global interpreter lock: neither this package nor the clients that tests install turn it on."""

import importlib.util
import subprocess
import sys
import sysconfig

import pytest

pytestmark = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python is built with the global interpreter lock"
)

_OURS = """
import importlib, pkgutil, sys, urllib.request
import trusted_context

for module in pkgutil.walk_packages(trusted_context.__path__, "trusted_context."):
    if module.name.rpartition(".")[2] not in {"__main__", "dask", "ipython"}:  # they need more than is installed
        importlib.import_module(module.name)
url, cafile = sys.argv[1:]
with trusted_context.trusted_context(cafile, export=True) as block:
    with urllib.request.urlopen(url, timeout=20) as response:
        response.read()
    block.environment()
try:
    with trusted_context.trusted_context(system=True):
        urllib.request.urlopen(url, timeout=20)
except OSError as error:
    trusted_context.explain(error)
assert trusted_context.check(url, timeout=20)
import certifi, truststore
truststore.SSLContext
"""


def runs_without_the_lock(program, *arguments):
    # Python warns where a module turns the lock on.
    command = [sys.executable, "-W", "error", "-c", f"{program}\nimport sys; sys.exit(sys._is_gil_enabled())"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=50, check=False)
    return done.returncode == 0, done.stderr


def test_using_all_of_the_package_leaves_the_lock_off(server, ca_file):
    """Its modules and what it depends on, a block, an export, an explanation and a check."""
    assert runs_without_the_lock(_OURS, server.url, str(ca_file)) == (True, "")


@pytest.mark.parametrize("client", ["aiohttp", "botocore.session", "fsspec", "httpx", "httpx2", "requests", "urllib3"])
def test_a_client_imported_in_a_block_leaves_the_lock_off(client, ca_file):
    """With what covers it."""
    if importlib.util.find_spec(client.partition(".")[0]) is None:
        pytest.skip(f"{client} is not installed")
    program = f"import sys, trusted_context\nwith trusted_context.trusted_context(sys.argv[1]):\n    import {client}"
    assert runs_without_the_lock(program, str(ca_file)) == (True, "")
