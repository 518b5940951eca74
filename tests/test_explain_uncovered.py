"""A failure tells "not reached" from "not trusted": what a block trusts already nobody is sent to ask for."""

import asyncio
import pickle
import smtplib
import socket
import ssl
import urllib.request

import pytest
from failing import failure, raising
from issuing import inspector, issue, root, stranger
from servers import BODY, Server, fetch, serving

from trusted_context import InsecureWarning, explain, trusted_context
from trusted_context.explanations import uncovered
from trusted_context.sources import environment


@pytest.fixture
def untrusted():
    """A context that somebody chose, with a CA that signed nothing here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=stranger().pem.decode())
    return context


@pytest.fixture
def block(bad):
    """A block that trusts the CA of the server that is asked."""
    return trusted_context(bad["sound"].cafile)


def leaving(block, action):
    """The note of what leaves the block in which *action* runs, and what explain() says of it afterwards."""

    def enter():
        with block:
            action()

    error = failure(enter)
    (note,) = error.__notes__
    assert note == str(explain(error))
    return note, explain(error)


def by_urllib(url, context):
    fetch(url, context=context)


def by_httpx(url, context):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(verify=context) as client:
        client.get(url)


def by_aiohttp(url, context):
    aiohttp = pytest.importorskip("aiohttp")

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
            await response.read()

    asyncio.run(get())


def by_urllib3(url, context):
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        pool.request("GET", url)


def by_asyncio(url, context):
    async def connect():
        host, _, port = url.removeprefix("https://").rstrip("/").partition(":")
        await asyncio.open_connection(host, int(port), ssl=context)

    asyncio.run(connect())


CHOOSING = {
    "urllib": (by_urllib, "context"),
    "httpx": (by_httpx, "verify"),
    "aiohttp": (by_aiohttp, "ssl"),
    "urllib3": (by_urllib3, "ssl_context"),
    "asyncio": (by_asyncio, "ssl"),
}


@pytest.mark.parametrize("client", CHOOSING)
def test_a_note_never_advises_to_trust_what_the_block_trusts_already(client, bad, block, untrusted):
    """A client with trust of its own is named, with its host and the argument that gives it the block's."""
    call, argument = CHOOSING[client]
    note, explanation = leaving(block, lambda: call(bad["sound"].url, untrusted))
    assert (explanation.cause, explanation.host) == ("not-covered", "localhost")
    assert note.startswith(f"localhost: {client} does not follow this block, and refused the certificate: ")
    assert f"pass {argument}=block.ssl_context()" in explanation.next
    assert f"; this block trusts cafile={bad['sound'].cafile}: 1 CA" in explanation.trusted
    assert "ask IT" not in note
    assert "insecure" not in note


def test_the_advice_reaches_the_server(bad, block):
    """What the note says to pass, or to leave out, is verified by the block."""
    with block:
        assert fetch(bad["sound"].url, context=block.ssl_context()) == BODY
        assert fetch(bad["sound"].url) == BODY


def test_requests_with_a_bundle_of_its_own(bad, block, tmp_path):
    """requests takes no context: there the argument is left out."""
    requests = pytest.importorskip("requests")
    file = tmp_path / "stranger.pem"
    file.write_bytes(stranger().pem)
    note, explanation = leaving(block, lambda: requests.get(bad["sound"].url, verify=str(file), timeout=5))
    assert (explanation.cause, explanation.host) == ("not-covered", "localhost")
    assert "requests does not follow this block" in note
    assert explanation.next == "leave out verify=, and the block decides"


def test_a_client_that_is_not_known_is_told_to_take_a_context(bad, block, untrusted):
    """Where neither errors nor frames tell the client, the remedy is a context for whatever takes one."""

    def connect():
        with socket.create_connection(("localhost", bad["sound"].number)) as plain:
            untrusted.wrap_socket(plain, server_hostname="localhost")

    note, explanation = leaving(block, connect)
    assert note.startswith("localhost: the client does not follow this block")
    assert "block.ssl_context()" in explanation.next


def test_a_client_of_the_standard_library_that_makes_no_https(bad, block, untrusted):
    """smtplib is named, with its argument."""
    address = ("localhost", bad["sound"].number)
    note, explanation = leaving(block, lambda: smtplib.SMTP_SSL(*address, context=untrusted, timeout=5))
    assert note.startswith("localhost: smtplib does not follow this block")
    assert "pass context=block.ssl_context()" in explanation.next


def test_explain_inside_a_block_says_the_same(bad, block, untrusted):
    """Where nothing has left a block, the one that governs is what counts; without one nothing is said of any."""
    error = failure(fetch, bad["sound"].url, context=untrusted)
    assert explain(error).cause == "unknown-issuer"
    with block:
        assert explain(error).cause == "not-covered"
    assert explain(error).cause == "unknown-issuer"


def test_the_block_that_was_left_first_counts(bad, block, untrusted):
    """An error that left a block is explained by that one, also inside another one and after a pickle."""

    def enter():
        with block:
            fetch(bad["sound"].url, context=untrusted)

    error = failure(enter)
    other = trusted_context(bad["untrusted-root"].cafile)
    with other:
        assert str(bad["sound"].cafile) in explain(error).trusted
    assert explain(pickle.loads(pickle.dumps(error.reason))).cause == "not-covered"


@pytest.mark.parametrize("name", ["expired", "wrong-host", "small-key"])
def test_what_no_ca_file_cures_stays_what_it_is(name, bad, block):
    """A certificate that is itself at fault is not cured by a client that follows."""
    context = ssl.create_default_context(cafile=bad[name].cafile)
    _, explanation = leaving(block, lambda: fetch(bad[name].url, context=context))
    assert explanation.cause == bad[name].case.cause


def test_the_context_of_another_block_is_told_by_the_chain(bad):
    """A context that was taken from one block and used in another that trusts the server's CA: the chain tells."""
    context = trusted_context(bad["sound"].cafile).ssl_context()
    port = bad["untrusted-root"]
    with serving(Server(issue("localhost", stranger()).presenting(stranger()))) as server:
        block = trusted_context(stranger().pem)
        note, explanation = leaving(block, lambda: fetch(server.url, context=context))
        assert explanation.cause == "not-covered"
        assert "though the block trusts what signed it" in note
        assert "Elsewhere Root (sha256" in explanation.presented
        assert "ask IT" not in note
    note, explanation = leaving(trusted_context(root().pem), lambda: fetch(port.url, context=context))
    assert explanation.cause == "unknown-root"


def test_what_no_ca_file_cures_is_said_of_another_blocks_context_too(bad):
    """Neither block is in the way of the other where the certificate itself is at fault."""
    port = bad["wrong-host"]
    context = trusted_context([port.cafile, stranger().pem]).ssl_context()
    note, explanation = leaving(trusted_context(port.cafile), lambda: fetch(port.url, context=context))
    assert explanation.cause == "wrong-host"
    assert "leave out this block" not in note


@pytest.mark.parametrize("name", ["untrusted-root", "unknown-issuer", "known-interception"])
def test_an_inner_block_is_told_that_the_outer_one_trusts_the_ca(name, bad):
    """Nobody is sent to ask for a CA that the block around trusts: the inner block is what is in the way."""
    port = bad[name]
    issuer = stranger() if name != "known-interception" else inspector()
    with trusted_context(issuer.pem):
        note, explanation = leaving(trusted_context(port.cafile), lambda: fetch(port.url))
        assert fetch(port.url) == BODY
    assert explanation.cause == port.case.cause
    assert explanation.next.startswith("leave out this block, since the one around it trusts that CA (")
    assert "ask IT" not in note


def test_an_outer_root_of_the_same_name_is_not_taken_for_the_cure(bad):
    """Another root that bears the name of the one presented does not cure it."""
    port = bad["same-name-other-key-sent"]
    with trusted_context(root().pem):
        note, _ = leaving(trusted_context(stranger().pem), lambda: fetch(port.url))
    assert "leave out this block" not in note


@pytest.mark.parametrize("name", ["same-name-other-key", "same-name-no-identifier"])
def test_a_block_is_not_told_to_be_left_out_for_itself(name, bad):
    """A block that trusts a CA of the issuer's name with another key is not taken for one that trusts the issuer."""
    note, explanation = leaving(trusted_context(bad[name].cafile), lambda: fetch(bad[name].url))
    assert explanation.cause == "same-name-other-key"
    assert "leave out this block" not in note


def test_a_wrapper_in_an_outer_block_does_not_change_which_block_was_left(bad, block):
    """What left an inner block first is that block's failure, whatever outer block its wrapper leaves."""
    inner = _raised_by("curl_cffi.curl", OSError("SSL certificate problem: self-signed certificate"))

    def wrap():
        try:
            with block:
                raise inner
        except OSError:
            raise RuntimeError("no data") from None

    _, explanation = leaving(trusted_context(bad["untrusted-root"].cafile), wrap)
    assert str(bad["sound"].cafile) in explanation.trusted


def test_the_innermost_of_several_clients_is_the_one_that_failed(block):
    """Where one client's code calls another's, the other made the connection."""
    inner = {"__name__": "smtplib", "error": OSError("x509: certificate signed by unknown authority")}
    exec("def connect(): raise error", inner)
    outer = {"__name__": "urllib.request", "connect": inner["connect"]}
    exec("def open(): connect()", outer)
    note, _ = leaving(block, outer["open"])
    assert note.startswith("the server: smtplib does not follow this block")


def test_a_decorated_body_is_left_like_any_block(bad, block, untrusted):
    """What leaves a decorated function is explained by the block around its body."""

    @block
    def download():
        fetch(bad["sound"].url, context=untrusted)

    error = failure(download)
    assert "urllib does not follow this block" in error.__notes__[0]


@pytest.mark.parametrize("kind", [RuntimeError, ssl.SSLCertVerificationError])
def test_what_may_be_the_blocks_own_failure_is_not_said_to_be_another_clients(kind, block):
    """Python's words in a text, and an operating system's verifier, may be those of a client that the block covers."""
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate"
    _, explanation = leaving(block, raising(kind(said)))
    assert explanation.cause == "unknown-issuer"


def test_native_words_name_the_variable_that_reaches_the_client(block):
    """The texts of clients that are not installed here, as they raise them, name client, host and variable."""
    go = (
        "Error initializing run: POST https://registry.corp/graphql giving up after 1 attempt(s): Post "
        '"https://registry.corp/graphql": tls: failed to verify certificate: '
        "x509: certificate signed by unknown authority"
    )
    raised = _raised_by("wandb.errors", RuntimeError(go))
    note, explanation = leaving(block, raising(raised))
    assert (explanation.cause, explanation.host) == ("not-covered", "registry.corp")
    assert explanation.next == (
        "trusted_context(..., export=True), entered before wandb first connects, since it reads that once: it names "
        "the CAs to wandb in SSL_CERT_FILE"
    )
    assert "ask IT" not in note


def _raised_by(module, error):
    """The error, as if the type of it came from that module."""
    return type("Error", (type(error),), {"__module__": module})(*error.args)


def test_a_native_client_that_reads_its_variable_once_is_told_to_connect_later(bad):
    """Inside an exporting block a client that connected before it keeps what it read."""
    error = _raised_by("polars.exceptions", OSError("invalid peer certificate: UnknownIssuer"))
    _, explanation = leaving(trusted_context(bad["sound"].cafile, export=True), raising(error))
    assert explanation.cause == "not-covered"
    assert explanation.next.startswith("enter the block before polars first connects in this process")


def test_a_native_client_that_follows_an_exporting_block_is_not_said_not_to(bad):
    """What it reads at each request it failed by: the server's CA is another one."""
    error = _raised_by("curl_cffi.curl", OSError("SSL certificate problem: unable to get local issuer certificate"))
    _, explanation = leaving(trusted_context(bad["sound"].cafile, export=True), raising(error))
    assert explanation.cause == "unknown-issuer"


def test_a_native_client_in_an_insecure_block_is_told_to_take_a_ca(bad):
    """An insecure block exports nothing."""
    error = _raised_by("curl_cffi.curl", OSError("SSL certificate problem: self-signed certificate"))
    with pytest.warns(InsecureWarning):
        _, explanation = leaving(trusted_context(insecure=True), raising(error))
    assert explanation.cause == "not-covered"
    assert "give its CA as cafile=" in explanation.next


def test_a_native_client_that_reads_no_variable_is_told_its_own_option(block):
    """No block reaches it, exporting or not."""
    error = _raised_by("pycurl", OSError(60, "SSL certificate problem: unable to get local issuer certificate"))
    _, explanation = leaving(block, raising(error))
    assert explanation.cause == "not-covered"
    assert explanation.next == "name the CA file to pycurl itself: handle.setopt(pycurl.CAINFO, ca_file)"


def test_hf_xet_is_known_by_who_called_it(block):
    """It raises nothing but RuntimeErrors: huggingface_hub's frames tell."""
    module = {"__name__": "huggingface_hub.file_download", "RuntimeError": RuntimeError}
    exec("def download(): raise RuntimeError('invalid peer certificate: UnknownIssuer')", module)
    note, explanation = leaving(block, module["download"])
    assert note.startswith("the server: hf_xet does not follow this block")
    assert "in SSL_CERT_FILE" in explanation.next


def test_python_words_in_a_text_blame_no_client(block):
    """What Python's ssl said may be a covered client's words: nothing is said of who follows."""
    error = RuntimeError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unheard of (_ssl.c:1)")
    _, explanation = leaving(block, raising(error))
    assert explanation.cause == "unverified"


def test_a_frozen_traceback_of_ones_own_is_read_in_bounded_steps(block, bad, untrusted):
    """Thousands of frames are passed over; the innermost tell the client."""

    def recurse(depth):
        if depth:
            recurse(depth - 1)
        fetch(bad["sound"].url, context=untrusted)

    _, explanation = leaving(block, lambda: recurse(500))
    assert explanation.host == "localhost"


def test_the_variables_named_are_those_that_a_block_exports():
    """What a note promises of ``export=True`` is so."""
    named = {native.variable for native in uncovered._NATIVE.values() if native.variable}
    assert named <= set(environment.VARIABLES)


def test_the_standard_library_alone_needs_no_client_of_others():
    """The module of the standard library that made the connection counts as its client."""
    assert uncovered.client_of(urllib.request.URLError("x"), [urllib.request.URLError("x")]) == "urllib"
