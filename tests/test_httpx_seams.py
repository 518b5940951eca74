"""What of httpx and httpx2 a block replaces: put back as it was, met on import, and missed without harm."""

import functools
import subprocess
import sys
import textwrap
import types
import warnings
from unittest import mock

import pytest
from conftest import assert_same, state
from servers import BODY, fails
from servers import fetch as fetch_by_urllib

from trusted_context import trusted_context
from trusted_context.clients import for_httpx as client
from trusted_context.clients import importing

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")


@pytest.fixture(autouse=True)
def _small_default(other_file, monkeypatch):
    """Outside, clients trust a bundle that is quicker to read than certifi's; nothing was warned of before."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    monkeypatch.setattr(importing, "_warned", set())


def fetch(url, library=httpx):
    with library.Client(timeout=20) as made:
        return made.get(url).content


@pytest.fixture
def run(server, ca_file):
    """Runs code in a fresh interpreter, in which no client is imported."""
    begin = """
        import asyncio, importlib, sys, threading
        from trusted_context import trusted_context
        cafile, url = sys.argv[1:]

        def get(module):
            return module.get(url, timeout=20).content

        def refused(module):
            try:
                return get(module) and False
            except module.ConnectError as error:
                return "CERTIFICATE_VERIFY_FAILED" in str(error)

        def is_ours(method):
            return "trusted_context" in method.__code__.co_filename
    """

    def in_fresh_interpreter(code):
        source = textwrap.dedent(begin) + textwrap.dedent(code)
        command = [sys.executable, "-W", "error", "-c", source, str(ca_file), server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""

    return in_fresh_interpreter


def test_what_is_imported_inside_is_covered_from_then_on(run):
    """Imported in the middle of a block by several threads at once, both libraries are covered, and ordinary after."""
    run("""
        finders = list(sys.meta_path)
        with trusted_context(cafile):
            assert not {"httpx", "httpx2"} & set(sys.modules), "a block imports no client of its own accord"
            seen = []
            names = ["httpx", "httpx2"] * 3
            work = lambda name: seen.append(get(importlib.import_module(name)))
            threads = [threading.Thread(target=work, args=(name,)) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(seen) == len(names) and all(seen)
            import httpx, httpx2
            made = httpx.Client(timeout=20)
            assert made.get(url).content
        assert sys.meta_path == finders
        assert refused(httpx) and refused(httpx2)
        try:
            raise AssertionError(made.get(url))
        except httpx.ConnectError:
            made.close()
        for module in (httpx, httpx2):
            assert not is_ours(module.HTTPTransport.handle_request)
            assert not is_ours(sys.modules[module.__name__ + "._transports.default"].create_ssl_context)
        with trusted_context(cafile):
            assert get(httpx) and get(httpx2)
    """)


def test_a_module_that_is_reloaded_inside_is_covered_again(run):
    """After importlib.reload() the new classes are covered as the old ones are, and all are ordinary after."""
    run("""
        import httpx
        module = sys.modules["httpx._transports.default"]
        old = module.HTTPTransport
        make = module.create_ssl_context
        with trusted_context(cafile):
            importlib.reload(module)
            assert module.HTTPTransport is not old
            assert get(httpx)
            with module.HTTPTransport() as transport:
                assert transport.handle_request(httpx.Request("GET", url)).read()
        assert refused(httpx)
        for kind in (old, module.HTTPTransport):
            assert not is_ours(kind.handle_request)
        assert module.create_ssl_context is make
    """)


def test_httpx2_under_the_name_of_httpx_is_covered_once(run):
    """httpx2.alias_httpx() makes one module of the two; its loader stays what it is, and its methods are put back."""
    run("""
        import httpx2
        loader = sys.modules["httpx2._transports.default"].__loader__
        handle = httpx2.HTTPTransport.handle_request
        httpx2.alias_httpx()
        with trusted_context(cafile):
            import httpx, httpx._transports.default
            assert sys.modules["httpx._transports.default"] is sys.modules["httpx2._transports.default"]
            assert httpx is httpx2 and get(httpx)
            assert httpx2.HTTPTransport.handle_request.__wrapped__ is handle
        assert sys.modules["httpx2._transports.default"].__loader__ is loader
        assert httpx2.HTTPTransport.handle_request is handle and refused(httpx)
        with trusted_context(cafile):
            assert get(httpx)
            assert httpx2.HTTPTransport.handle_request.__wrapped__ is handle
        assert httpx2.HTTPTransport.handle_request is handle
    """)


def test_somebody_elses_later_patch_is_neither_clobbered_nor_lost(server, ca_file):
    """A patch put over ours inside works inside, stays after, is named in a warning, and works in the next block."""
    original = httpx.HTTPTransport.handle_request
    module = sys.modules["httpx._transports.default"]
    make = module.create_ssl_context
    seen = []
    try:
        replaced = pytest.warns(RuntimeWarning, match=r"HTTPTransport\.handle_request was replaced|create_ssl_context")
        with replaced as caught, trusted_context(ca_file):
            ours = httpx.HTTPTransport.handle_request

            def theirs(self, request):
                seen.append(request.url.host)
                return ours(self, request)

            httpx.HTTPTransport.handle_request = theirs
            module.create_ssl_context = functools.partial(make)
            assert fetch(server.url) == BODY
        names = sorted(str(each.message).partition(" ")[0] for each in caught)
        assert names == ["httpx.HTTPTransport.handle_request", "httpx._transports.default.create_ssl_context"]
        fails(fetch, server.url)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        assert httpx.HTTPTransport.handle_request is theirs
        assert seen == ["localhost"] * 3
    finally:
        httpx.HTTPTransport.handle_request = original
        module.create_ssl_context = make


def test_what_other_code_had_put_there_before_is_called_as_it_was(server, ca_file, monkeypatch):
    """A descriptor in the method's place is bound to the transport, and a mock gets the request alone."""
    original = httpx.HTTPTransport.handle_request

    class Traced:
        def __get__(self, transport, kind=None):
            return functools.partial(original, transport)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", Traced())
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    answer = mock.Mock(side_effect=lambda _request: httpx.Response(200, content=b"a mock's"))
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    with trusted_context(ca_file):
        assert fetch(server.url) == b"a mock's"


@pytest.mark.parametrize("step", ["_make_handle_request", "_make_handle_async_request", "httpx_defaults"])
def test_an_install_that_fails_half_way_undoes_its_first_half(step, server, ca_file, monkeypatch):
    """Whichever step fails, all that came before is undone, and the next block works."""

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError(step)

    before = state()
    with monkeypatch.context() as patch:
        broken = fail if callable(getattr(client, step)) else types.SimpleNamespace(make_create_ssl_context=fail)
        patch.setattr(client, step, broken)
        with pytest.raises(RuntimeError, match="'httpx'"):
            trusted_context(ca_file).start()
    assert_same(before, state())
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY


@pytest.mark.parametrize("lacking", ["HTTPTransport.handle_request", "AsyncHTTPTransport", "create_ssl_context"])
def test_a_version_without_the_seam_is_left_alone_and_named_once(lacking, server, ca_file, monkeypatch):
    """Where a version lacks what we know, entering warns once, at the caller's line, and other clients are covered."""
    holder, _, name = f"httpx._transports.default.{lacking}".rpartition(".")
    module = sys.modules["httpx._transports.default"]
    owner = module if holder == module.__name__ else getattr(module, holder.rpartition(".")[2])
    monkeypatch.delattr(owner, name)
    match = rf"httpx {httpx.__version__} is not covered by trusted_context, which finds no {lacking}[.a-z_]* in"
    with pytest.warns(RuntimeWarning, match=match) as caught, trusted_context(ca_file):
        assert fetch_by_urllib(server.url) == fetch(server.url, httpx2) == BODY
    assert [each.filename for each in caught] == [__file__]
    with warnings.catch_warnings(record=True) as later, trusted_context(ca_file):
        pass
    assert later == []


def test_a_version_without_the_module_is_named(ca_file, monkeypatch):
    """Where the module that holds the transports has gone, that is said too."""
    monkeypatch.delitem(sys.modules, "httpx2._transports.default")
    with (
        pytest.warns(RuntimeWarning, match=r"httpx2 .* finds no httpx2\._transports\.default"),
        trusted_context(ca_file),
    ):
        pass


def test_pools_of_another_make_are_left_alone_and_named_once(server, ca_file, monkeypatch):
    """Where httpcore's pools lack what we need, they stay the client's, with one warning; the server is verified."""
    import httpcore

    def __init__(self, *, unheard_of=None, **given):  # noqa: N807
        super(own, self).__init__(**given)

    own = type("ConnectionPool", (httpcore.ConnectionPool,), {"__init__": __init__, "__module__": "httpcore"})
    missed = pytest.warns(RuntimeWarning, match="finds no unheard_of in its pools")
    with missed as caught, trusted_context(ca_file), httpx.Client(timeout=20) as made:
        made._transport._pool = own(ssl_context=made._transport._pool._ssl_context)
        assert made.get(server.url).content == made.get(server.url).content == BODY
    assert len(caught) == 1
