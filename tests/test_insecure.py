"""Verification off: for whom, how far, how loudly, and never by accident."""

import asyncio
import contextlib
import inspect
import socket
import ssl
import urllib.request
import warnings

import pytest
import trustme
from servers import BODY, Server, fetch, refusal, serving

from trusted_context import InsecureWarning, clients, trusted_context
from trusted_context.core.contexts import Settings, Verifier, verifier
from trusted_context.core.trust import Trust


@pytest.fixture
def quiet():
    """The warning of an insecure block is another test's subject."""
    with pytest.warns(InsecureWarning):
        yield


def at_127(server):
    return server.url.replace("localhost", "127.0.0.1")


# --- per host


def test_per_host_insecurity_matches_the_exact_host(server, other_file, quiet):
    """Only the named host is not verified: its other name on the same server still is."""
    with trusted_context(other_file, insecure={"LOCALHOST."}):
        assert fetch(server.url) == BODY
        refusal(at_127(server))
    with trusted_context(other_file, insecure={"127.0.0.1"}):
        refusal(server.url)
        assert fetch(at_127(server)) == BODY


def test_per_host_insecurity_matches_the_exact_port(server, other_file, quiet):
    """With a port given, only that port of the host is not verified."""
    with trusted_context(other_file, insecure={f"localhost:{server.server_port}"}):
        assert fetch(server.url) == BODY
    with trusted_context(other_file, insecure={"localhost:1"}):
        refusal(server.url)


@pytest.mark.parametrize("host", ["LOCALHOST", "LocalHost", "%4Cocalhost"])
@pytest.mark.parametrize("port", ["", ":{}"])
def test_a_host_is_the_same_in_whatever_case_a_url_names_it(host, port, server, other_file, quiet):
    """RFC 3986, 3.2.2: the host in a URL is compared without regard to case."""
    url = server.url.replace("localhost", host)
    with trusted_context(other_file, insecure={"localhost" + port.format(server.server_port)}):
        assert fetch(url) == BODY
    with trusted_context(other_file, insecure={"elsewhere.test"}):
        refusal(url)


@pytest.mark.parametrize("named", ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test"])
def test_per_host_insecurity_is_idna_normalised(named, server, other_file, monkeypatch, quiet):
    """An international name and its ASCII form are one host. The name is resolved to loopback here, as no DNS does."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more))
    with trusted_context(other_file, insecure={named}):
        assert fetch(server.url.replace("localhost", "xn--bcher-kva.test")) == BODY
        refusal(server.url.replace("localhost", "other.test"))


def test_per_host_insecurity_does_not_follow_redirects(server, other_file, quiet):
    """A host that is not verified may send the client elsewhere, but there the block verifies."""

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", at_127(server))
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.files["/moved"] = redirect
    with trusted_context(other_file, insecure={"localhost"}):
        refusal(server.url + "moved")
    assert server.requests == ["GET /moved"]


def test_the_other_hosts_of_an_insecure_block_are_verified_by_its_cas(server, ca, ca_file, quiet):
    """A host that is off leaves the CA file in force for all others."""
    with serving(Server(trustme.CA().issue_cert("127.0.0.1"))) as stranger:
        url = stranger.url.replace("localhost", "127.0.0.1")
        with trusted_context(ca_file, insecure={f"127.0.0.1:{stranger.server_port}"}):
            assert fetch(url) == fetch(server.url) == fetch(at_127(server)) == BODY


# --- what stays


def test_insecure_still_negotiates_tls_1_2_or_newer(ca, quiet):
    """A server that speaks TLS 1.1 at most is refused; that it does speak it shows a client that allows it."""

    def old(context):
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    willing = ssl._create_unverified_context()
    old(willing)
    with serving(Server(ca.issue_cert("localhost"), configure=old)) as ancient:
        assert fetch(ancient.url, context=willing) == BODY
        with trusted_context(insecure=True) as block, pytest.raises(OSError, match="PROTOCOL_VERSION"):
            fetch(ancient.url)
        assert block.ssl_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_python_that_allows_older_versions_is_hardened():
    """A build that follows OpenSSL's configuration starts lower; set by hand here, as this one does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    assert verifier(Trust())._harden(context).minimum_version == ssl.TLSVersion.TLSv1_2


def test_every_context_of_a_block_is_hardened(ca_file, monkeypatch):
    """Those that verify, those that do not, and those in place of a caller's default one."""
    hardened = []
    harden = Verifier._harden
    monkeypatch.setattr(Verifier, "_harden", lambda self, context: hardened.append(context) or harden(self, context))
    verifying = verifier(Trust((ssl.PEM_cert_to_DER_cert(ca_file.read_text()),)))
    settings = Settings(ssl.create_default_context())
    made = [
        verifying.new(),
        verifying.borrowing("localhost", 443),
        verifier(Trust(insecure=True)).borrowing("localhost", 443),
        *(verifying.stand_in(settings, verified=each, check_hostname=True, verify_flags=0) for each in (True, False)),
    ]
    assert all(any(context is each for each in hardened) for context in made)


# --- the warning


def _by_with():
    with trusted_context(insecure=True):
        pass


def _by_start():
    trusted_context(insecure={"localhost"}).start().stop()


def _by_exit_stack():
    with contextlib.ExitStack() as stack:
        stack.enter_context(trusted_context(insecure=True))


async def _by_async_with():
    async with trusted_context(insecure=True):
        pass


def _by_decorator():
    @trusted_context(insecure=True)
    def decorated():
        pass

    decorated()


def _by_generator():
    @trusted_context(insecure=True)
    def decorated():
        yield from range(3)

    list(decorated())


@pytest.mark.parametrize("enter", [_by_with, _by_start, _by_exit_stack, _by_async_with, _by_decorator, _by_generator])
def test_insecure_warns_once_per_block_at_the_callers_line(enter):
    """One InsecureWarning for each entering, at the line of the caller's own file, that says how far it reaches."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(enter()) if inspect.iscoroutinefunction(enter) else enter()
    (warning,) = caught
    first = enter.__code__.co_firstlineno
    assert warning.category is InsecureWarning
    assert warning.filename == __file__
    assert first < warning.lineno <= first + 6
    assert "in the whole process (local=True limits it" in str(warning.message)


def test_the_warning_of_a_local_block_says_that_it_is_one():
    """With local=True the warning does not claim the whole process."""
    with pytest.warns(InsecureWarning, match="localhost, in this thread or task alone"):
        trusted_context(insecure={"localhost"}, local=True).start().stop()


def test_a_warning_that_is_an_error_leaves_nothing_entered(server):
    """Where warnings are errors, as here, an insecure block cannot be entered, and nothing is changed."""
    with pytest.raises(InsecureWarning), trusted_context(insecure=True):
        pass
    refusal(server.url)


# --- fail closed


def test_no_error_while_building_turns_verification_off(server, ca_file, monkeypatch):
    """When a block's context cannot be built, the connection is not made, and nothing is sent."""

    def fail(*_args, **_kwargs):
        raise MemoryError("no context")

    with trusted_context(ca_file):
        monkeypatch.setattr(Verifier, "borrowing", fail)
        monkeypatch.setattr(Verifier, "stand_in", fail)
        with pytest.raises(MemoryError):
            fetch(server.url)
    assert server.requests == []


@pytest.mark.parametrize("insecure", [True, {"localhost"}], ids=["all", "one host"])
def test_no_error_while_restoring_leaves_verification_off(insecure, server, monkeypatch, quiet):
    """When an insecure block cannot be restored, its patches stay but nobody is governed: all is verified again."""
    with monkeypatch.context() as patch:
        patch.setattr(clients, "restore", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError), trusted_context(insecure=insecure):
            assert fetch(server.url) == BODY
        refusal(server.url)
    clients.restore()
    urllib.request.install_opener(None)
    refusal(server.url)


def test_an_error_in_the_block_that_would_have_verified_is_no_reason_to_skip_it(server, other_file, ca):
    """A bundle that turned unusable is an error at the next entry, not a block without verification."""
    block = trusted_context(other_file)
    with block:
        refusal(server.url)
    other_file.write_text("nothing")
    with pytest.raises(ValueError, match="holds no certificate"), block:
        fetch(server.url)
    refusal(server.url)
    assert server.requests == []
