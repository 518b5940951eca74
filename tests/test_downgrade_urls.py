"""What failed over https is not fetched over http, however its URL is spelled and whichever block it failed in."""

import concurrent.futures
import http.client
import re
import socket
import urllib.error
import urllib.request

import pytest
from servers import BODY, Server, fetch, refusal, serving
from test_downgrade import plain, refused

from trusted_context import trusted_context
from trusted_context.core.urls import normalise_authority, normalise_selector


class _Both(Server):
    """It speaks TLS and plain HTTP on one port: a TLS record begins with its type, 22 (RFC 8446, 5.1)."""

    def finish_request(self, request, client_address):
        context = self.context
        if request.recv(1, socket.MSG_PEEK) == b"\x16":
            request = context.wrap_socket(request, server_side=True)
        self.RequestHandlerClass(request, client_address, self)
        request.close()


@pytest.fixture
def both(ca):
    """A server whose https URLs answer over plain http as well."""
    with serving(_Both(ca.issue_cert("localhost", "127.0.0.1"))) as running:
        yield running


def in_a_thread(function, *args):
    """Run *function* in a thread that inherits no context."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(20)


def test_what_failed_over_https_in_any_block_around_is_not_fetched_over_http_however_it_is_spelled(both, other_file):
    """Failed in an inner block, a URL is refused in the outer ones too, in every equal spelling, free after them."""
    url = both.url + "data/a~b?q=1"
    spelled = both.url.replace("localhost", "LocalHost") + "x/../data/./%61%7eb?%71=1#part"
    with trusted_context(other_file), trusted_context(other_file):
        with trusted_context(other_file):
            refusal(url)
        refused(plain(url))
        refused(plain(spelled))
    assert both.requests == []
    assert fetch(plain(url)) == BODY


# --- every block around


def test_what_failed_in_a_decorated_helper_is_refused_around_it(both, other_file):
    """The helper's own block is gone when torchvision's fallback runs in the caller's."""

    @trusted_context(other_file)
    def download():
        refusal(both.url)

    with trusted_context(other_file):
        download()
        refused(plain(both.url))


@pytest.mark.parametrize("outer_is_local", [False, True])
def test_what_failed_in_a_local_block_is_refused_around_it(outer_is_local, both, other_file):
    """A local block is around its own thread's downloads as any other is."""
    with trusted_context(other_file, local=outer_is_local):
        with trusted_context(other_file, local=True):
            refusal(both.url)
            refused(plain(both.url))
        refused(plain(both.url))


def test_what_failed_in_a_library_s_thread_is_refused_in_every_block_around_its_governor(both, other_file):
    """A thread that entered no block fails in the one that governs it, and in those that one was entered in."""
    with trusted_context(other_file):
        with trusted_context(other_file):
            in_a_thread(refusal, both.url)
            in_a_thread(refused, plain(both.url))
            refused(plain(both.url))
        refused(plain(both.url))
        in_a_thread(refused, plain(both.url))
    assert both.requests == []


def test_what_failed_before_an_inner_block_is_refused_in_a_library_s_thread_inside_it(both, other_file):
    """The inner block governs the thread, and forgets nothing of what failed around it."""
    with trusted_context(other_file):
        refusal(both.url)
        with trusted_context(other_file):
            in_a_thread(refused, plain(both.url))


def test_a_block_that_is_not_around_forgets_and_hears_nothing(both, other_file):
    """What failed in another thread's local block is free here: nothing was tried over https in this one."""
    with trusted_context(other_file):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:

            def visit():
                with trusted_context(other_file, local=True):
                    refusal(both.url)

            pool.submit(visit).result(20)
        refused(plain(both.url))  # which governed that thread, and is around its block by that
    with trusted_context(other_file, local=True):
        assert fetch(plain(both.url)) == BODY


def test_a_success_in_an_inner_block_takes_the_failure_back_around_it(both, ca_file, other_file):
    """The server was reached and verified: nothing stands against its http URL any more."""
    with trusted_context(other_file):
        refusal(both.url)
        with trusted_context(ca_file):
            assert fetch(both.url) == BODY
        assert fetch(plain(both.url)) == BODY


@pytest.mark.parametrize("insecure", [True, {"localhost"}], ids=str)
@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_a_success_without_verification_takes_back_no_failure_of_a_verifying_block(insecure, both, other_file):
    """Whoever broke the verified connection may have answered the unverified one: around it the failure stands."""
    cafile = None if insecure is True else other_file
    with trusted_context(other_file):
        refusal(both.url)
        with trusted_context(cafile, insecure=insecure):
            assert fetch(both.url) == BODY
        refused(plain(both.url))


def test_an_https_url_reached_from_its_own_http_url_is_no_repetition(both, ca_file):
    """The user asked over http; that the server then sends to https, which fails, is no reason to refuse that again."""
    secured = both.url + "data"

    def answer(request):
        if request.connection.__class__ is socket.socket:
            request.send_response(301)
            request.send_header("Location", secured)
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            request.send_error(503)

    both.files["/data"] = answer
    with trusted_context(ca_file):
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="503") as caught:
                fetch(plain(secured))
            caught.value.close()
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            fetch(secured)
        caught.value.close()
        refused(plain(secured))


def test_what_failed_by_another_scheme_is_free(both, other_file):
    """Only https is not to be undone; a URL of a scheme that urllib does not know says nothing of http."""
    with trusted_context(other_file):
        with pytest.raises(urllib.error.URLError, match="unknown url type"):
            fetch(both.url.replace("https:", "gopher:"))
        assert fetch(plain(both.url)) == BODY


# --- however it is spelled


@pytest.mark.parametrize(
    ("asked", "repeated"),
    [
        ("", "/"),
        ("?x=1", "/?x=1"),
        ("/", "/#part"),
        ("/~user", "/%7Euser"),
        ("/%7euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/data?name=%41", "/data?name=A"),
        ("/a/b", "/a/./b"),
        ("/a/b", "/a/c/../b"),
        ("/a/b", "/../a/b"),
        ("/a/b/", "/a/b/c/.."),
        ("/a/b/", "/a/b/%2e"),
    ],
)
def test_equal_paths_are_one(asked, repeated, both, other_file):
    """RFC 3986, 6.2.2: percent-encodings of unreserved characters, their case, dot segments and an empty path."""
    origin = both.url.removesuffix("/")
    with trusted_context(other_file):
        refusal(origin + asked)
        refused(plain(origin) + repeated)
    assert both.requests == []


@pytest.mark.parametrize(
    ("asked", "repeated"),
    [("/a/b", "/a//b"), ("/a", "/A"), ("/a%2Fb", "/a/b"), ("/a", "/a/"), ("/?a/../b", "/?b"), ("/a", "/a?")],
)
def test_other_paths_are_free(asked, repeated, both, other_file):
    """What the standard does not call equal is another URL, and is fetched."""
    origin = both.url.removesuffix("/")
    with trusted_context(other_file):
        refusal(origin + asked)
        assert fetch(plain(origin) + repeated) == BODY


@pytest.mark.parametrize("authority", ["LOCALHOST", "localhost.", "%6cocalhost"])
def test_equal_hosts_are_one(authority, both, other_file):
    """The case of a host, its final dot and its percent-encodings make no other one."""
    with trusted_context(other_file):
        refusal(both.url)
        refused(plain(both.url).replace("localhost", authority))


def test_default_ports_are_one_with_none():
    """RFC 3986, 6.2.3. These ports are taken on many machines, so that no connection is made here."""
    same = {normalise_authority(f"corp.test{port}") for port in ("", ":", ":443", ":80", ":0443")}
    assert same == {"corp.test"}
    assert normalise_authority("corp.test:8443") == "corp.test:8443"
    assert normalise_authority("corp.test:x") == "corp.test:x"
    assert normalise_authority("[2001:DB8::0:1]") == normalise_authority("[2001:db8::1]:443") == "2001:db8::1"
    assert normalise_authority("[::1]:8443") == "::1:8443"


def test_dot_segments_are_removed_as_the_standard_says():
    """The examples of RFC 3986, 5.2.4 and 5.4.2."""
    assert normalise_selector("/a/b/c/./../../g") == "/a/g"
    assert normalise_selector("/b/c/../../../g") == "/g"
    assert normalise_selector("/b/c/g;x=1/../y") == "/b/c/y"
    assert normalise_selector("/b/c/..g") == "/b/c/..g"
    assert normalise_selector("/b/c/.") == "/b/c/"
    assert normalise_selector("/..") == "/"


# --- a Request


def _with_type(url, kind):
    request = urllib.request.Request(url)
    request.type = kind
    return request


def test_a_request_is_judged_by_the_type_it_is_sent_by(both, other_file):
    """urllib sends a Request by its type, whatever its URL says."""
    with trusted_context(other_file):
        refusal(both.url)
        refused(_with_type(both.url, "http"))
        refusal(_with_type(plain(both.url) + "other", "https"))
        refused(plain(both.url) + "other")
    assert both.requests == []


def test_a_request_is_judged_by_the_host_it_is_sent_to(both, other_file):
    """As by its host, where that was set by hand."""
    request = urllib.request.Request(plain(both.url).replace("localhost", "elsewhere.test"))
    request.host = f"localhost:{both.server_port}"
    with trusted_context(other_file):
        refusal(both.url)
        refused(request)


def test_a_request_that_went_through_a_proxy_is_judged_by_its_url(both, plain_server, other_file, monkeypatch):
    """urllib writes the proxy into the Request; sent again, it is the same URL still."""
    proxy = f"http://localhost:{plain_server.server_port}"
    request = urllib.request.Request(plain(both.url) + "data")
    with monkeypatch.context() as patch:
        patch.setenv("http_proxy", proxy)
        assert fetch(request) == BODY
    assert request.host != f"localhost:{both.server_port}"
    with trusted_context(other_file):
        refusal(both.url + "data")
        refused(request)


# --- errors stay the library's own


@pytest.mark.parametrize(
    "rest", ["//localhost/\x00", "//localhost/a b", "//localhost/\u00e9", "//localhost:port/", "//a..b.test/", ":x"]
)
@pytest.mark.parametrize("schemes", [("http",), ("https", "http"), ("https", "https")], ids=str)
def test_a_url_that_is_none_raises_inside_what_it_raises_outside(rest, schemes, ca_file):
    """No connection was tried, so nothing failed over https: both schemes are refused by the library's own error."""

    def attempt():
        caught = []
        for scheme in schemes:
            with pytest.raises(Exception) as raised:  # whatever it is, it is the same outside
                urllib.request.urlopen(scheme + ":" + rest, timeout=5)
            caught.append((type(raised.value), str(raised.value)))
        return caught

    outside = attempt()
    assert outside
    with trusted_context(ca_file):
        assert attempt() == outside


@pytest.mark.parametrize("url", ["no scheme", "", object, b"https://localhost/", None], ids=str)
def test_what_is_no_url_at_all_raises_inside_what_it_raises_outside(url, ca_file):
    """It is urllib's to complain of."""
    with pytest.raises(Exception) as outside:  # whatever it is, it is the same inside
        urllib.request.urlopen(url)
    with trusted_context(ca_file), pytest.raises(type(outside.value), match=re.escape(str(outside.value))):
        urllib.request.urlopen(url)


def test_an_answer_that_is_no_http_is_a_failure(ca, ca_file):
    """An exception of http.client's that is about the connection counts, as a verification failure does."""

    class Silent(_Both):
        def finish_request(self, request, client_address):
            self.context.wrap_socket(request, server_side=True).close()

    with serving(Silent(ca.issue_cert("localhost"))) as silent, trusted_context(ca_file):
        with pytest.raises((http.client.HTTPException, OSError)):
            urllib.request.urlopen(silent.url, timeout=5)
        refused(plain(silent.url))
