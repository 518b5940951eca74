"""What two threads do to one context at once: no choice of trust, and no client certificate, is lost by it."""

import concurrent.futures
import ssl

import certifi
import pytest
from by_hand import get
from servers import BODY

from trusted_context import trusted_context
from trusted_context.clients import seen_contexts
from trusted_context.core import probing
from trusted_context.sources import defaults


@pytest.fixture
def port(server):
    return server.server_port


def by_another_thread(function, *args):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(20)


class Meanwhile:
    """A path that another thread's work is done for, the first time that it is asked for its name."""

    def __init__(self, path, work):
        self._path = path
        self._waiting = [work]

    def __fspath__(self):
        while self._waiting:
            by_another_thread(self._waiting.pop())
        return self._path


def after(monkeypatch, module, name, work):
    """Have *work* done once by another thread when the function has found its answer, before it gives that."""
    original, waiting = getattr(module, name), [work]

    def function(*args):
        found = original(*args)
        while waiting:
            by_another_thread(waiting.pop())
        return found

    monkeypatch.setattr(module, name, function)


def test_a_ca_that_is_loaded_while_another_thread_loads_the_defaults_is_a_pin(port, ca_file, other_file):
    """The end of the one load does not undo what is known of the other."""
    with trusted_context(other_file):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(Meanwhile(certifi.where(), lambda: context.load_verify_locations(ca_file)))
        assert get(port, context) == BODY


def test_the_defaults_that_two_threads_load_at_once_are_no_pin(port, ca_file):
    """What is not known of the two loads is asked of the context."""
    with trusted_context(ca_file):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(Meanwhile(certifi.where(), context.load_default_certs))
        assert get(port, context) == BODY


def test_a_ca_that_is_loaded_by_what_looks_for_the_defaults_in_another_thread_is_a_pin(port, ca_file, other_file):
    """The same, where the load of the defaults ends last."""
    with trusted_context(other_file):

        class Context(ssl.SSLContext):
            def set_default_verify_paths(self):
                by_another_thread(self.load_verify_locations, ca_file)
                super().set_default_verify_paths()

        context = Context(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        assert get(port, context) == BODY


def test_a_ca_that_is_loaded_while_another_thread_looks_at_the_context_is_a_pin(port, ca_file, other_file, monkeypatch):
    """What was found before the load is not kept after it."""
    context = ssl.create_default_context()
    after(monkeypatch, defaults, "is_default", lambda: context.load_verify_locations(ca_file))
    with trusted_context(other_file):
        for _ in range(2):
            assert get(port, context) == BODY


def test_a_client_certificate_that_is_loaded_during_the_look_for_one_is_not_forgotten(ca, ca_file, monkeypatch):
    """Nor what is offered by ALPN: who said what is set comes before who found that there is none."""
    context = ssl.create_default_context()

    def load():
        with ca.issue_cert("client").private_key_and_cert_chain_pem.tempfile() as path:
            context.load_cert_chain(path)

    after(monkeypatch, probing, "has_client_certificate", load)
    after(monkeypatch, probing, "alpn_protocols", lambda: context.set_alpn_protocols(["http/1.1"]))
    with trusted_context(ca_file):
        known = seen_contexts.look(context)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for _ in range(2):
            assert seen_contexts.has_key(context, known)
            seen_contexts.copy_protocols(context, known, made)
            assert known.protocols == ["http/1.1"]
