"""aiohttp: each request follows the block that governs when it connects; what somebody chose stays theirs."""

import asyncio
import contextlib
import contextvars
import pickle
import ssl
import threading

import pytest

pytest.importorskip("aiohttp")

import aiohttp.web
from asynchronous import at_127, fetch, in_session, refused, with_connector
from conftest import assert_same, state
from servers import (
    BODY,
    Server,
    all_closed,
    asking_for_certificates,
    redirect_to,
    serving,
)

from trusted_context import InsecureWarning, trusted_context
from trusted_context.sources import stores

silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@pytest.fixture
def context(ca_file):
    """A context that somebody made for that server."""
    return ssl.create_default_context(cafile=ca_file)


# --- explicit trust


def test_a_context_of_a_request_wins(server, ca_file, other_file, context):
    """ssl=context given to a request is what verifies, in a block that trusts the server and in one that does not."""
    other = ssl.create_default_context(cafile=other_file)

    async def check(session):
        with trusted_context(other_file):
            assert await fetch(session, server.url, ssl=context) == BODY
            await refused(session, server.url)
        with trusted_context(ca_file):
            await refused(session, server.url, ssl=other)

    in_session(check)


@silent
def test_a_context_of_a_connector_wins(server, ca_file, other_file):
    """TCPConnector(ssl=context) is a pin that neither a verifying nor an insecure block undoes."""

    async def check(session):
        for block in (trusted_context(ca_file), trusted_context(insecure=True)):
            with block:
                await refused(session, server.url)

    with_connector(check, ssl=ssl.create_default_context(cafile=other_file))


def test_what_is_said_to_be_unverified_stays_so(server, other_file):
    """ssl=False, of a request or a connector, is a choice for its own requests, and loosens no other."""

    async def by_request(session):
        with trusted_context(other_file):
            assert await fetch(session, server.url, ssl=False) == BODY
            await refused(session, server.url)

    async def by_connector(session):
        with trusted_context(other_file):
            assert await fetch(session, server.url) == BODY

    in_session(by_request)
    with_connector(by_connector, ssl=False)


@silent
def test_a_fingerprint_wins(server, ca):
    """Fingerprint, of a request or a connector, is checked inside a block as outside, and nothing else is."""
    wrong = aiohttp.Fingerprint(bytes(32))

    async def by_request(session):
        with trusted_context(insecure=True), pytest.raises(aiohttp.ServerFingerprintMismatch):
            await fetch(session, server.url, ssl=wrong)

    async def by_connector(session):
        with trusted_context(insecure=True), pytest.raises(aiohttp.ServerFingerprintMismatch):
            await fetch(session, server.url)

    in_session(by_request)
    with_connector(by_connector, ssl=wrong)


@silent
def test_a_subclass_that_chooses_by_itself_keeps_its_choice(server, ca_file, other_file):
    """A connector that overrides where the context comes from is left alone; another subclass follows the block."""
    own = ssl.create_default_context(cafile=other_file)

    class Choosing(aiohttp.TCPConnector):
        def _get_ssl_context(self, req):
            return req.ssl if isinstance(req.ssl, ssl.SSLContext) else own

    class Counting(aiohttp.TCPConnector):
        async def connect(self, req, *args, **kwargs):
            seen.append(req.ssl)
            return await super().connect(req, *args, **kwargs)

    seen = []

    async def check():
        async with aiohttp.ClientSession(connector=Choosing()) as choosing:
            for block in (trusted_context(ca_file), trusted_context(insecure=True)):
                with block:
                    await refused(choosing, server.url)
        async with aiohttp.ClientSession(connector=Counting()) as counting:
            with trusted_context(ca_file):
                assert await fetch(counting, server.url) == BODY
        await all_closed()

    asyncio.run(check())
    assert seen == [seen[0]]
    assert seen[0] in (True, None)


def test_the_clients_certificate_in_a_chosen_context_is_presented(ca, other_file, context):
    """A context with a client certificate reaches the server as it is."""
    ca.issue_cert("client@corp.test").configure_cert(context)

    async def check(session):
        with trusted_context(other_file):
            assert await fetch(session, asking.url, ssl=context) == b"client@corp.test"

    with serving(asking_for_certificates(ca)) as asking:
        in_session(check)


# --- what is left behind


@silent
def test_a_request_keeps_nothing_of_the_block(server, ca_file):
    """The request and its key say after the connect what the caller said; so does the error of one that failed."""

    async def check(session):
        with trusted_context(ca_file):
            await fetch(session, server.url)

    class Request(aiohttp.ClientRequest):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    made = []
    in_session(check, request_class=Request)
    assert [(req.ssl, req.connection_key.ssl) for req in made] == [(made[0].ssl,) * 2]
    assert made[0].ssl in (True, None)


def test_an_error_can_be_read_and_pickled(server, other_file):
    """The error of a server that the block does not trust names what the caller said as ssl=, not a context."""

    async def check(session):
        outside = await refused(session, server.url)
        with trusted_context(other_file):
            inside = await refused(session, server.url)
            with pytest.raises(aiohttp.ClientConnectorError) as nobody:
                await fetch(session, "https://localhost:1/")
        assert str(inside) == str(outside)
        if not hasattr(nobody.value._conn_key, "_replace"):
            pytest.skip("up to aiohttp 3.10 they name our context")
        assert "ssl:default" in str(nobody.value)
        assert str(pickle.loads(pickle.dumps(nobody.value))) == str(nobody.value)
        assert nobody.value.args[0] == nobody.value._conn_key

    in_session(check)


def test_every_method_is_the_object_it_was(server, ca_file):
    """After nested blocks left by Ctrl-C or a cancellation, aiohttp is what it was."""
    before = state()

    async def check(session):
        for error in (KeyboardInterrupt, asyncio.CancelledError):
            with pytest.raises(error):
                async with trusted_context(ca_file):
                    with trusted_context(ca_file):
                        await fetch(session, server.url)
                        raise error

    in_session(check)
    assert_same(before, state())


def test_somebody_elses_later_patch_is_neither_clobbered_nor_lost(server, ca_file):
    """A patch put over ours stays after the block, works, and is named in a warning."""
    original = aiohttp.BaseConnector.connect

    async def check(session):
        with pytest.warns(RuntimeWarning, match=r"BaseConnector\.connect was replaced"), trusted_context(ca_file):
            ours = aiohttp.BaseConnector.connect

            async def theirs(self, *args, **kwargs):
                return await ours(self, *args, **kwargs)

            aiohttp.BaseConnector.connect = theirs
            assert await fetch(session, server.url) == BODY
        assert aiohttp.BaseConnector.connect is theirs
        await refused(session, server.url)

    try:
        in_session(check)
    finally:
        aiohttp.BaseConnector.connect = original


def test_no_error_while_building_turns_verification_off(server, ca_file, monkeypatch):
    """When a block's context cannot be built, no connection is made."""

    def fail(*_args, **_kwargs):
        raise MemoryError("no context")

    async def check(session):
        with trusted_context(ca_file):
            monkeypatch.setattr("trusted_context.core.contexts.Verifier.borrowing", fail)
            with pytest.raises(MemoryError):
                await fetch(session, server.url)

    in_session(check)
    assert server.requests == []


# --- insecure


@silent
def test_per_host_insecurity_matches_the_exact_host_and_port(server, other_file):
    """Only the named host, and port where one is named, is not verified."""

    async def check(session):
        for named in ("LOCALHOST.", f"localhost:{server.server_port}"):
            with trusted_context(other_file, insecure={named}):
                assert await fetch(session, server.url) == BODY
                await refused(session, at_127(server))
        with trusted_context(other_file, insecure={"localhost:1"}):
            await refused(session, server.url)

    in_session(check)


@silent
def test_per_host_insecurity_does_not_follow_redirects(server, keeper, other_file):
    """Sent on by a host that is not verified, or to one, the next host is what counts."""

    async def check(session):
        with trusted_context(other_file, insecure={"localhost"}):
            await refused(session, server.url + "moved")
            await refused(session, at_127(server) + "moved")

    server.files["/moved"] = redirect_to(at_127(keeper))
    in_session(check)
    assert keeper.requests == []


@silent
def test_a_verified_host_may_send_to_an_insecure_one(ca_file, other_file, other_ca, server):
    """From a verified host to one that is named insecure: each as the block says."""
    with serving(Server(other_ca.issue_cert("elsewhere.test"))) as elsewhere:
        server.files["/moved"] = redirect_to(at_127(elsewhere))

        async def check(session):
            with trusted_context(ca_file, insecure={f"127.0.0.1:{elsewhere.server_port}"}):
                assert await fetch(session, server.url + "moved") == BODY
            with trusted_context(ca_file):
                await refused(session, server.url + "moved")

        in_session(check)


def test_an_insecure_block_warns_by_itself(server):
    """aiohttp adds no warning of its own."""

    async def check(session):
        with pytest.warns(InsecureWarning) as warned, trusted_context(insecure=True):
            assert await fetch(session, server.url) == BODY
        assert len(warned) == 1

    in_session(check)


# --- what is not there


def test_where_the_system_verifies_connections_are_kept(keeper, ca_file, monkeypatch):
    """As on Windows and macOS (played here): one connection for each server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setattr(stores, "find", _natively(stores.find))

    async def check(session):
        with trusted_context(system=True):
            for _ in range(3):
                assert await fetch(session, keeper.url) == await fetch(session, at_127(keeper)) == BODY
        assert keeper.accepted == 2

    in_session(check)


def _natively(find):
    def found(*args):
        source = find(*args)
        assert source.native
        return source

    return found


def test_a_server_in_the_same_process_is_untouched(ca, ca_file):
    """A server-side context keeps its certificate and its mind while a block is live, and after."""

    async def answer(_request):
        return aiohttp.web.Response(body=BODY)

    async def check(session):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        app = aiohttp.web.Application()
        app.router.add_get("/", answer)
        with trusted_context(ca_file):
            runner = aiohttp.web.AppRunner(app)
            await runner.setup()
            site = aiohttp.web.TCPSite(runner, "localhost", 0, ssl_context=context)
            await site.start()
            url = f"https://localhost:{site._server.sockets[0].getsockname()[1]}/"
            assert await fetch(session, url) == BODY
        assert await fetch(session, url, ssl=ssl.create_default_context(cafile=ca_file)) == BODY
        await runner.cleanup()

    in_session(check)


def test_threads_with_loops_of_their_own_follow_the_process_wide_block(server, ca_file):
    """A thread that entered nothing is covered, unless the block is local."""
    seen = []

    async def check(session):
        try:
            seen.append(await fetch(session, server.url))
        except aiohttp.ClientConnectorCertificateError:
            seen.append("refused")

    for local in (False, True):
        with trusted_context(ca_file, local=local), contextlib.ExitStack() as stack:
            thread = threading.Thread(target=in_session, args=(check,))
            contextvars.Context().run(thread.start)  # so it inherits nothing where threads inherit (Python 3.14)
            stack.callback(thread.join, 20)
    assert seen == [BODY, "refused"]
