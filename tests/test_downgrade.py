"""What failed over https in a block is not fetched over plain http in it."""

import gc
import http.client
import socket
import ssl
import struct
import urllib.error
import urllib.request
import weakref

import pytest
from servers import BODY, fetch, refusal, verify_failure

from trusted_context import trusted_context
from trusted_context.clients import downgrade


def plain(url):
    """The same URL with ``http``, as torchvision makes it."""
    return url.replace("https:", "http:")


def refused(url):
    """The error that refuses the URL; fails where it is tried instead."""
    with pytest.raises(urllib.error.URLError, match=r"refused to fetch from .* over plain http") as caught:
        fetch(url)
    return caught.value


def test_the_same_url_over_http_is_refused_after_a_verification_failure(server, other_file):
    """It never reaches the network, and the refusal carries the first failure."""
    with trusted_context(other_file):
        refusal(server.url + "data?x=1")
        before = server.accepted
        error = refused(plain(server.url + "data?x=1"))
        assert isinstance(verify_failure(error), ssl.SSLCertVerificationError)
        assert verify_failure(error).verify_code in (19, 20)
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        refused(urllib.request.Request(plain(server.url + "data?x=1#fragment")))
        refused(plain(server.url + "data?x=1").replace("http:", "HTTP:"))
        assert server.accepted == before


def test_the_scheme_is_swapped_wherever_it_stands(server, other_file):
    """torchvision replaces it in the whole text, so also in a URL within the query."""
    url = server.url + "data?from=https://elsewhere.test/"
    with trusted_context(other_file):
        refusal(url)
        refused(plain(url))
        refused(url.replace("https:", "http:", 1))


def test_other_urls_and_hosts_are_free(server, plain_server, other_file):
    """A mirror over plain http, or another path of it, is fetched as ever."""
    with trusted_context(other_file):
        refusal(server.url)
        assert fetch(plain_server.url) == BODY


def test_after_the_block_the_refusal_ends(server, other_file):
    """Outside, and in a block where nothing failed, the same URL is tried again."""
    with trusted_context(other_file):
        refusal(server.url)
    with trusted_context(other_file), pytest.raises(OSError) as caught:
        fetch(plain(server.url))
    assert "refused to fetch" not in str(caught.value)


def test_a_block_within_does_not_forget_what_failed_around_it(server, other_file):
    """A nested block repeats no failed URL of the outer one over http."""
    with trusted_context(other_file):
        refusal(server.url)
        with trusted_context(other_file):
            refused(plain(server.url))


def _answer_503(request):
    request.send_error(503)


def _break_off(request):
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"half")


def _break_off_chunked(request):
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"4\r\nhalf\r\n64\r\nless than that")


def _reset(request):
    _break_off(request)
    request.wfile.flush()
    # RFC 9293, 3.6: closing with a linger time of zero aborts the connection.
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


@pytest.mark.parametrize("answer", [_answer_503, _break_off, _break_off_chunked, _reset])
def test_an_error_status_and_a_broken_body_are_failures_too(answer, server, ca_file):
    """Whoever can break the connection after the handshake cannot make the client fall back either."""
    server.files["/data"] = answer
    with trusted_context(ca_file):
        try:
            with urllib.request.urlopen(server.url + "data", timeout=20) as response:
                while response.read(100):
                    pass
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001  # http.client.IncompleteRead is no OSError
            assert type(error).__name__ == "IncompleteRead"
        else:
            assert answer in (_break_off, _reset)
        refused(plain(server.url + "data"))


@pytest.mark.parametrize("answer", [_break_off, _break_off_chunked])
def test_a_broken_body_is_remembered_after_its_response_is_gone(answer, server, ca_file):
    """Who gave the response up, as urlretrieve() does, is refused the http twin as well."""
    server.files["/data"] = answer
    with trusted_context(ca_file):
        with pytest.raises((urllib.error.ContentTooShortError, http.client.IncompleteRead)):
            urllib.request.urlretrieve(server.url + "data")
        gc.collect()
        refused(plain(server.url + "data"))
    urllib.request.urlcleanup()


def _answer_chunked(request):
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"4\r\nhalf\r\n4\r\nmore\r\n0\r\n\r\n")


def _answer_without_length(request):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"halfmore")


def _answer_nothing(request):
    request.send_response(204)
    request.end_headers()


@pytest.mark.parametrize("answer", [BODY, _answer_chunked, _answer_without_length, _answer_nothing])
@pytest.mark.parametrize("size", [None, 3])
def test_a_body_of_any_form_that_was_read_to_its_end_is_a_success(answer, size, server, ca_file):
    """Whole answers, also those without a length, make the http twin as free as any other URL."""
    server.files["/data"] = answer
    with trusted_context(ca_file):
        with urllib.request.urlopen(server.url + "data", timeout=20) as response:
            while response.read(size):
                pass
        with pytest.raises(OSError) as caught:
            fetch(plain(server.url + "data"))
        assert "refused to fetch" not in str(caught.value)


def test_an_http_url_that_redirects_to_https_can_be_asked_again(server, plain_server, ca_file):
    """Reached by a redirect from the http URL, a failure over https says nothing against trying that again."""
    port = server.server_port

    def redirect(request):
        request.send_response(301)
        request.send_header("Location", f"https://localhost:{port}/data")
        request.send_header("Content-Length", "0")
        request.end_headers()

    plain_server.files["/data"] = redirect
    server.files["/data"] = _answer_503
    with trusted_context(ca_file):
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="503") as caught:
                fetch(plain_server.url + "data")
            caught.value.close()
    assert len(plain_server.requests) == 2


@pytest.mark.parametrize("form", [" {}", "\n{}", "<URL:{}>", "{}#part"])
def test_the_forms_that_urllib_takes_for_one_url_are_one(form, server, other_file):
    """Blanks, brackets, fragments and the case of the host make no other URL."""
    with trusted_context(other_file):
        refusal(form.format(server.url + "data"))
        refused(plain(server.url + "data"))
        refused(plain(server.url + "data").replace("localhost", "LOCALHOST"))


def test_a_url_that_succeeded_is_free_over_http(server, ca_file):
    """Only a failure counts, and a later success of the same URL takes it back."""
    with trusted_context(ca_file):
        server.files["/data"] = _answer_503
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetch(server.url + "data")
        caught.value.close()
        del server.files["/data"]
        assert fetch(server.url + "data") == BODY
        with pytest.raises(OSError) as caught:
            fetch(plain(server.url + "data"))
        assert "refused to fetch" not in str(caught.value)


def test_the_guard_holds_for_an_opener_installed_inside(server, other_file):
    """urlcleanup() inside resets the global opener, and not the guard."""
    with trusted_context(other_file):
        refusal(server.url)
        urllib.request.urlcleanup()
        refused(plain(server.url))


def test_a_refusal_shows_no_password(server, other_file):
    """Credentials in a URL are not repeated in the message."""
    url = server.url.replace("//", "//-user:hunter2@")  # which no name server is asked for
    with trusted_context(other_file):
        with pytest.raises(OSError):
            fetch(url)
        assert "hunter2" not in str(refused(plain(url)))


def test_remembering_failures_keeps_no_frame_alive(server, other_file):
    """The first failure is kept without its traceback, whose frames hold the caller's data."""

    class Data:
        pass

    def download():
        data = Data()
        refusal(server.url)
        return weakref.ref(data)

    with trusted_context(other_file):
        kept = download()
        gc.collect()
        assert kept() is None


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # as without a block
# http.client complains where the collector finalises the file within the answer first, which is its choice.
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
def test_an_answer_that_is_collected_unread_is_a_failure(server, ca_file):
    """In a cycle, as an exception's frames make one: it is gone before its connection is closed."""
    with trusted_context(ca_file):
        response = urllib.request.urlopen(server.url + "data", timeout=20)
        response.itself = response
        del response
        gc.collect()
        refused(plain(server.url + "data"))


class _PickyError(OSError):
    """It is made of two things, and keeps one."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


def test_an_error_that_cannot_be_made_again_is_remembered_by_its_kind(server, ca_file):
    """A handler of others raised it: the refusal names it, and repeats none of its words, which may hold a secret."""

    class Failing(urllib.request.HTTPSHandler):
        def https_open(self, request):
            raise _PickyError("broken", "http://user:s3cret@proxy")

    with trusted_context(ca_file):
        urllib.request.install_opener(urllib.request.build_opener(Failing))
        with pytest.raises(_PickyError):
            fetch(server.url)
        error = refused(plain(server.url))
    assert "_PickyError" in str(error.__cause__)
    assert "s3cret" not in str(error) + str(error.__cause__)


def test_the_memory_of_failures_is_bounded():
    """The oldest failures are forgotten first."""
    log = downgrade._Log()
    for number in range(downgrade._MAX_FAILURES + 10):
        log.failed(f"//host/{number}", OSError("broken"))
    assert log.failure("//host/9") is None
    assert isinstance(log.failure("//host/10"), OSError)
    assert len(log._failures) == downgrade._MAX_FAILURES
