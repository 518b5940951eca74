"""fsspec's file system for https: aiohttp on a thread of its own, in instances that are kept for the next caller."""

import contextvars
import ssl
import threading

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("fsspec")

import aiohttp
import fsspec
from servers import fails

from trusted_context import trusted_context

silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")

DATA = bytes(range(256)) * 400


@pytest.fixture
def files():
    """Makes the file system, as its callers do, and closes what was made."""
    made, kind = [], fsspec.get_filesystem_class("https")

    def make(**arguments):
        made.append(fsspec.filesystem("https", **arguments))
        return made[-1]

    yield make
    for one in {*made, *kind._cache.values()}:
        if one._session is not None:
            fsspec.asyn.sync(one.loop, one._session.close)
    kind.clear_instance_cache()


@pytest.fixture
def url(keeper):
    """A file that is served whole and by ranges."""

    def serve(request):
        wanted = request.headers.get("Range")
        first, last = (int(place) for place in wanted.removeprefix("bytes=").split("-")) if wanted else (0, len(DATA))
        body = DATA[first : last + 1]
        request.send_response(206 if wanted else 200)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(body)))
        if wanted:
            request.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(DATA)}")
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    keeper.files["/data"] = serve
    return keeper.url + "data"


def test_an_instance_follows_the_block_whenever_it_was_made(files, url, ca_file, other_file):
    """Made before, inside or after, and kept by fsspec for the next caller: governed inside, ordinary outside."""
    before = files()
    fails(before.cat_file, url)
    with trusted_context(ca_file):
        inside = files()
        assert inside is before
        own = files(skip_instance_cache=True)
        assert before.cat_file(url) == own.cat_file(url) == DATA
        with trusted_context(other_file):
            fails(own.cat_file, url)
    for one in (before, own, files()):
        fails(one.cat_file, url)


def test_a_file_is_read_whole_and_by_ranges(files, url, ca_file):
    """cat_file(), a range of it, and an open file that seeks."""
    with trusted_context(ca_file):
        http = files()
        assert http.cat_file(url, start=1000, end=1300) == DATA[1000:1300]
        with fsspec.open(url, block_size=1000) as file:
            file.seek(50_000)
            assert file.read(100) == DATA[50_000:50_100]
            file.seek(0)
            assert file.read() == DATA


def test_a_file_opened_inside_asks_for_its_next_range_as_an_ordinary_client(files, url, ca_file):
    """Each range is a request of its own, governed when it is made."""
    with trusted_context(ca_file):
        file = files().open(url, block_size=1000)
        assert file.read(100) == DATA[:100]
    file.seek(90_000)
    fails(file.read, 100)
    with trusted_context(ca_file):
        assert file.read(100) == DATA[90_000:90_100]


def test_a_local_block_is_followed_by_its_own_calls_alone(files, url, ca_file):
    """fsspec's thread runs each call in a copy of its caller's context: a local block counts for its calls alone."""
    http, seen = files(), []

    def elsewhere():
        seen.append(bool(fails(http.cat_file, url)))

    with trusted_context(ca_file, local=True):
        assert http.cat_file(url) == DATA
        thread = threading.Thread(target=elsewhere)
        contextvars.Context().run(thread.start)  # so it inherits nothing where threads inherit (Python 3.14)
        thread.join(20)
        assert http.cat_file(url) == DATA
    fails(http.cat_file, url)
    assert seen == [True]


@silent
def test_connections_do_not_cross_the_boundary(files, url, keeper, ca_file):
    """What was opened inside serves nobody else, and is used again in its own block."""
    http = files()
    with trusted_context(insecure=True):
        assert http.cat_file(url) == http.cat_file(url) == DATA
        assert keeper.accepted == 1
        with trusted_context(ca_file):
            assert http.cat_file(url) == http.cat_file(url) == DATA
        assert keeper.accepted == 2
    fails(http.cat_file, url)
    assert keeper.accepted == 3


def test_what_a_caller_chose_stays(files, url, ca_file, other_file):
    """A context given as a storage option, or in a client of the caller's own, is a choice."""

    async def get_client(**_arguments):
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file)))

    with trusted_context(other_file):
        assert files(ssl=ssl.create_default_context(cafile=ca_file)).cat_file(url) == DATA
        assert files(get_client=get_client).cat_file(url) == DATA
    with trusted_context(ca_file):
        fails(files(ssl=ssl.create_default_context(cafile=other_file)).cat_file, url)
