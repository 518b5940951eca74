"""A library in a version that is not known here: left alone, and named."""

import contextlib
import importlib
import re
import tomllib
from pathlib import Path

import pytest
from servers import BODY, fetch

from trusted_context import clients, trusted_context
from trusted_context.clients import importing
from trusted_context.clients.records import CLIENTS

SEAMS = {
    "aiohttp.connector": ["TCPConnector._get_ssl_context", "BaseConnector.connect"],
    "botocore.httpsession": ["URLLib3Session._get_connection_manager"],
    "httpx._transports.default": ["HTTPTransport.handle_request", "create_ssl_context"],
    "httpx2._transports.default": ["AsyncHTTPTransport.handle_async_request"],
    "joblib.externals.loky.backend.spawn": ["get_preparation_data"],
    "loky.backend.spawn": ["get_preparation_data"],
    "multiprocess.spawn": ["get_preparation_data"],
    "multiprocessing.spawn": ["get_preparation_data"],
    "requests.sessions": ["Session.merge_environment_settings"],
    "urllib3.connection": ["HTTPSConnection.connect"],
    "urllib3.connectionpool": ["HTTPConnectionPool._get_conn"],
    "urllib3.poolmanager": ["PoolManager.connection_from_pool_key"],
}

# Here, since some change the process when they are imported.
for _module in SEAMS:
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in SEAMS for name in SEAMS[module]])
def test_a_seam_that_is_gone_is_named_once_and_never_fails(module, name, server, ca_file, monkeypatch):
    """Entering warns once, naming the library and what it lacks; the other clients are covered, and all is put back."""
    monkeypatch.setattr(importing, "_warned", set())
    owner = pytest.importorskip(module)
    *path, attribute = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    monkeypatch.delattr(owner, attribute)
    library = module.partition(".")[0]
    with pytest.warns(RuntimeWarning, match=rf"^{library} .* is not covered .*{name}") as caught:
        for _ in range(2):
            with trusted_context(ca_file):
                assert fetch(server.url) == BODY
    assert len(caught) == 1


def test_every_seam_has_such_a_test():
    """What is not tried above is covered as a whole, is what Windows has none of, or patches the process."""
    whole = {"httpx", "httpx2", "multiprocess.util", "multiprocessing.util"}
    assert set(clients._SEAMS) - set(SEAMS) == {*whole, "gevent.ssl", "eventlet.green.ssl"}


def test_the_oldest_versions_are_those_that_the_project_declares():
    """What a client's record names for the tests is what pyproject.toml asks for at least."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    if not file.exists():
        pytest.skip("pyproject.toml is not here")
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    floors = {
        re.split(r"[\[>]", each)[0]: re.search(r">=([\d.]+)", each)[1].split(".") for each in declared if ">=" in each
    }
    for pin in " ".join(client.oldest for client in CLIENTS).split():
        name, version = pin.split("==")
        parts = version.split(".")
        floor = floors[name.partition("[")[0]]
        assert [*floor, "0", "0"][: len(parts)] == parts, pin
