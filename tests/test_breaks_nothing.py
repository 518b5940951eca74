"""What works beside other libraries outside a block works inside it, and is verified by it."""

import pytest
from beside import outcomes
from servers import BODY, KeepAliveHandler, Server, serving, write_ca

pytestmark = pytest.mark.timeout(120)

# How each begins in the program, and how it ends.
BESIDE = {
    "OpenSSL": (
        "import urllib3.contrib.pyopenssl as library\nlibrary.inject_into_urllib3()\n",
        "library.extract_from_urllib3()\n",
    ),
    "truststore": ("import truststore\ntruststore.inject_into_ssl()\n", "truststore.extract_from_ssl()\n"),
    "vcr": (
        (
            "import tempfile, vcr\n"
            "tape = vcr.use_cassette(tempfile.mkdtemp() + '/tape.yaml', record_mode='all')\n"
            "tape.__enter__()\n"
        ),
        "tape.__exit__(None, None, None)\n",
    ),
    "responses": (
        (
            "import responses\n"
            "mock = responses.RequestsMock(assert_all_requests_are_fired=False)\n"
            "mock.start()\nmock.add_passthru(URL)\n"
        ),
        "mock.stop()\n",
    ),
    "requests_mock": (
        "import requests_mock\nmock = requests_mock.Mocker(real_http=True)\nmock.start()\n",
        "mock.stop()\n",
    ),
    "respx": (
        (
            "import respx\nmock = respx.mock(assert_all_called=False)\nmock.start()\n"
            "mock.route(host='localhost').pass_through()\n"
        ),
        "mock.stop()\n",
    ),
    "aioresponses": (
        "import aioresponses\nmock = aioresponses.aioresponses(passthrough=[URL])\nmock.start()\n",
        "mock.stop()\n",
    ),
    "moto": ("import moto\nmock = moto.mock_aws()\nmock.start()\n", "mock.stop()\n"),
    "requests_cache": (
        "import requests_cache\nrequests_cache.install_cache('cache', backend='memory', expire_after=0)\n",
        "requests_cache.uninstall_cache()\n",
    ),
    "opentelemetry": (
        (
            "from opentelemetry.instrumentation.urllib import URLLibInstrumentor\n"
            "from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor\n"
            "from opentelemetry.instrumentation.requests import RequestsInstrumentor\n"
            "from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor\n"
            "from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor\n"
            "kinds = (URLLibInstrumentor, URLLib3Instrumentor, RequestsInstrumentor, HTTPXClientInstrumentor)\n"
            "instruments = [kind() for kind in (*kinds, AioHttpClientInstrumentor)]\n"
            "for instrument in instruments: instrument.instrument()\n"
        ),
        "for instrument in instruments: instrument.uninstrument()\n",
    ),
}
CLIENTS = """\
import asyncio, urllib.request
import aiohttp, httpx, requests, urllib3
from trusted_context import trusted_context
async def ask():
    async with aiohttp.ClientSession() as session, session.get(URL) as response:
        return await response.read()
session = requests.Session()
CALLS = {
    "urllib": lambda: urllib.request.urlopen(URL, timeout=20).read(),
    "urllib3": lambda: urllib3.PoolManager().request("GET", URL, retries=False, timeout=20).data,
    "requests": lambda: requests.get(URL, timeout=20).content,
    "a session": lambda: session.get(URL, timeout=20).content,
    "httpx": lambda: httpx.get(URL, timeout=20).content,
    "aiohttp": lambda: asyncio.run(ask()),
    "a CA chosen": lambda: requests.get(URL, verify=OTHER, timeout=20).content,
}
def all_of(place):
    for name, call in CALLS.items():
        attempt(f"{place}: {name}", call)
"""
ORDERS = {
    "before": "{begin}all_of('outside')\nwith trusted_context(): all_of('inside')\n"
    "with trusted_context(OTHER): all_of('other')\nall_of('after')\n{end}all_of('ended')\n",
    "inside": "with trusted_context():\n    all_of('outside')\n{begin_in}    all_of('inside')\n{end_in}"
    "    all_of('ended')\n"
    "with trusted_context(OTHER):\n{begin_in}    all_of('other')\n{end_in}all_of('after')\n",
    "across": "block = trusted_context().start()\n{begin}all_of('inside')\nblock.stop()\nall_of('after')\n"
    "with trusted_context(OTHER): all_of('other')\nwith trusted_context():\n{end_in}all_of('ended')\n",
}

WHILE_BEGUN = {
    "before": ("outside", "inside", "other", "after"),
    "inside": ("inside", "other"),
    "across": ("inside", "after", "other"),
}


@pytest.fixture
def places(ca, ca_file, other_ca, tmp_path):
    with serving(Server(ca.issue_cert("localhost"), handler=KeepAliveHandler)) as server:
        yield server.url, ca_file, write_ca(other_ca, tmp_path / "other.pem")


# A library that patches the process before the block is the usual case, and "across" has a part of each.
@pytest.mark.parametrize("order", ["before", "across", pytest.param("inside", marks=pytest.mark.slow)])
@pytest.mark.parametrize("library", BESIDE)
def test_what_works_beside_another_library_works_in_a_block(library, order, places):
    """Whether that patches the process before, inside or across a block, each client is verified by the block."""
    begin, end = BESIDE[library]
    parts = {"begin": begin, "end": end, "begin_in": _indented(begin), "end_in": _indented(end)}
    seen = outcomes(CLIENTS + ORDERS[order].format(**parts), *places, needs=[library, "aiohttp", "httpx", "requests"])
    assert set(seen.values()) <= {str(BODY), "refused"}, seen
    refused = {name for name, outcome in seen.items() if outcome == "refused"}
    expected = {name for name in seen if name.startswith("other: ") or name.endswith(": a CA chosen")}
    if library == "truststore":
        # It adds the CA that was chosen to the system's, among which are those that SSL_CERT_FILE names.
        expected -= {f"{place}: a CA chosen" for place in WHILE_BEGUN[order]}
    if library == "OpenSSL":
        # pyOpenSSL reads no SSL_CERT_FILE: outside of blocks a bare pool trusts nobody.
        expected |= {name for name in seen if name.endswith(": urllib3")} & refused
        assert "inside: urllib3" not in refused
    assert refused == expected


def _indented(lines):
    return "".join(f"    {line}\n" for line in lines.splitlines())
