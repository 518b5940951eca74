"""urllib's global opener: what the code inside a block does to it, and the one from before with its handlers."""

import base64
import http.cookiejar
import urllib.request

import pytest
from servers import BODY, fetch, refusal

from trusted_context import trusted_context


@pytest.mark.parametrize(
    "act",
    [
        urllib.request.urlcleanup,
        lambda: urllib.request.install_opener(urllib.request.build_opener()),
        urllib.request.build_opener,
        lambda: urllib.request.install_opener(None),
    ],
    ids=["urlcleanup", "install_opener", "build_opener", "install None"],
)
@pytest.mark.parametrize("built", [False, True], ids=["no opener", "an opener"])
def test_what_the_code_inside_does_to_the_opener_breaks_neither_the_block_nor_its_restore(act, built, server, ca_file):
    """install_opener, urlcleanup and build_opener inside leave the block governing and the old opener to come back."""
    before = urllib.request.build_opener() if built else None
    urllib.request.install_opener(before)
    with trusted_context(ca_file):
        act()
        assert fetch(server.url) == BODY
        with trusted_context(ca_file):
            act()
        assert fetch(server.url) == BODY
    assert urllib.request._opener is before
    refusal(server.url)


class _Counting(urllib.request.BaseHandler):
    """A handler with state of its own."""

    def __init__(self):
        self.seen = []

    def https_request(self, request):
        self.seen.append(request.full_url)
        return request


def _guarded_page(request):
    expected = "Basic " + base64.b64encode(b"user:secret").decode()
    if request.headers["Authorization"] != expected:
        request.send_response(401)
        request.send_header("WWW-Authenticate", 'Basic realm="data"')
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    request.send_response(200)
    request.send_header("Set-Cookie", "session=1")
    answer = f"{request.headers['X-Agent']} {request.headers['Cookie']}".encode()
    request.send_header("Content-Length", str(len(answer)))
    request.end_headers()
    request.wfile.write(answer)


def test_a_previous_openers_handlers_keep_working_inside_and_are_unharmed(server, ca_file):
    """Cookies, authentication, addheaders, redirects and stateful handlers work inside, and are unchanged after."""

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", "/guarded")
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.files |= {"/guarded": _guarded_page, "/moved": redirect}
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url, "user", "secret")
    counting, cookies = _Counting(), http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(passwords), urllib.request.HTTPCookieProcessor(cookies), counting
    )
    opener.addheaders = [("X-Agent", "mine")]
    handlers = list(opener.handlers)
    urllib.request.install_opener(opener)
    with trusted_context(ca_file):
        assert fetch(server.url + "guarded") == b"mine None"
        assert fetch(server.url + "moved") == b"mine session=1"
        assert urllib.request._opener.addheaders is opener.addheaders
        assert isinstance(urllib.request._opener, urllib.request.OpenerDirector)
        urllib.request._opener.addheaders = [("X-Agent", "changed")]
    assert urllib.request._opener is opener
    assert opener.addheaders == [("X-Agent", "changed")]
    assert opener.handlers == handlers
    assert all(handler.parent is opener for handler in handlers)
    assert [cookie.name for cookie in cookies] == ["session"]
    assert len(counting.seen) == 5
    refusal(server.url)


def test_a_handler_added_inside_belongs_to_the_opener_from_before(server, ca_file):
    """add_handler() on the global opener reaches the previous one, and not our stand-in."""
    opener = urllib.request.build_opener()
    urllib.request.install_opener(opener)
    counting = _Counting()
    with trusted_context(ca_file):
        urllib.request._opener.add_handler(counting)
        fetch(server.url)
    assert counting.seen == [server.url]
    assert counting.parent is opener
