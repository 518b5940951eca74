"""niquests, with urllib3-future in urllib3's place: covered, and what it was told stays."""

import pytest
from beside import outcomes
from servers import BODY, KeepAliveHandler, Server, serving, write_ca

pytestmark = pytest.mark.timeout(120)

OWN_POOL = "import urllib3\nget = lambda **own: urllib3.PoolManager(**own).request('GET', URL, retries=False).data\n"
ASYNC = """\
import asyncio, niquests
async def ask(**own):
    async with niquests.AsyncSession() as session:
        return (await session.get(URL, timeout=20, **own)).content
get = lambda **own: asyncio.run(ask(**own))
"""
GET = {
    "get": "import niquests\nget = lambda **own: niquests.get(URL, timeout=20, **own).content\n",
    "a session kept": (
        "import niquests\nkept = niquests.Session()\nget = lambda **own: kept.get(URL, timeout=20, **own).content\n"
    ),
    "asynchronous": ASYNC,
    "urllib3-future": OWN_POOL,
}
COVERED = {"outside": str(BODY), "inside": str(BODY), "other": "refused", "after": str(BODY), "warnings": []}


@pytest.fixture
def kept_places(ca, ca_file, other_ca, tmp_path):
    with serving(Server(ca.issue_cert("localhost"), handler=KeepAliveHandler)) as server:
        yield server.url, ca_file, write_ca(other_ca, tmp_path / "other.pem")


@pytest.mark.parametrize("way", GET)
def test_niquests_is_covered(way, kept_places):
    """The block verifies its connections, made before, inside and after, and none is kept across the boundary."""
    assert outcomes(GET[way] + "in_turn(get)\n", *kept_places, needs=["niquests"]) == COVERED


@pytest.mark.parametrize("way", ["get", "asynchronous"])
def test_what_niquests_was_told_stays(way, kept_places):
    """An explicit ``verify=`` works inside as outside: another CA refuses, and ``False`` verifies nothing."""
    told = "import os\nos.environ.pop('SSL_CERT_FILE'); os.environ.pop('REQUESTS_CA_BUNDLE')\n" + GET[way]
    told += """
from trusted_context import trusted_context
def all_of(place):
    attempt(f"{place}, the right CA", lambda: get(verify=CA))
    attempt(f"{place}, another CA", lambda: get(verify=OTHER))
    attempt(f"{place}, none", lambda: get(verify=False))
all_of("outside")
with trusted_context(OTHER):
    all_of("in a block that trusts another")
with trusted_context(CA):
    all_of("in a block that trusts it")
"""
    seen = outcomes(told, *kept_places, needs=["niquests"])
    places = ("outside", "in a block that trusts another", "in a block that trusts it")
    told_so = {"the right CA": str(BODY), "another CA": "refused", "none": str(BODY)}
    assert seen == {f"{place}, {how}": outcome for place in places for how, outcome in told_so.items()}
