"""A block in another process: pickled, it takes its certificates along, and nothing else that stood beside them."""

import copy
import importlib
import os
import pickle
import subprocess
import sys

import material
import pytest
from servers import BODY, fetch, refusal, write_ca

from trusted_context import BundleError, trusted_context

# In a process of its own, in an empty folder.
_ENTER = """
import pickle, sys, urllib.request
block = pickle.load(sys.stdin.buffer)
with block:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), block, block.describe(), sep="\\n")
"""
_CALL = """
import pickle, sys
print(pickle.load(sys.stdin.buffer)(sys.argv[1]).decode())
"""


@pytest.fixture(params=["pickle", "cloudpickle", "dill"])
def dumps(request):
    """Pickles as each of these does."""
    try:
        return importlib.import_module(request.param).dumps
    except ImportError:
        pytest.skip(f"{request.param} is not installed")


def elsewhere(program, pickled, url, folder):
    """The lines that the program prints in another process and another folder."""
    command = [sys.executable, "-c", program, url]
    done = subprocess.run(command, input=pickled, capture_output=True, cwd=folder, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture(params=[pytest.param("absolute", marks=pytest.mark.slow), "relative", "folder"])
def given(request, ca, tmp_path, monkeypatch):
    """How the CA's certificate is named, from the folder that this process is in."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    path = write_ca(ca, folder / "corp.pem")
    monkeypatch.chdir(tmp_path)
    return {"absolute": str(path), "relative": "certificates/corp.pem", "folder": "certificates"}[request.param]


def test_38_a_pickled_block_trusts_the_same_certificates_where_its_file_is_not(given, dumps, server, tmp_path, empty):
    """38. The certificates that its path named when it was pickled; the path is their name there, no more."""
    pickled = dumps(trusted_context(given))
    (tmp_path / "certificates").rename(tmp_path / "gone")
    body, shown, described = elsewhere(_ENTER, pickled, server.url, empty)
    assert body == BODY.decode()
    assert shown == f"<trusted_context(cafile=[{given!r}]) live>"
    assert described.startswith(f"cafile={given}: 1 CA; every host is verified; not strict")


def test_what_is_pickled_is_what_the_file_holds_at_that_moment(server, ca, other_ca, tmp_path):
    """Later changes of the file are not seen by the block that was unpickled."""
    path = write_ca(ca, tmp_path / "corp.pem")
    block = trusted_context(path)
    before = pickle.loads(pickle.dumps(block))
    write_ca(other_ca, path)
    after = pickle.loads(pickle.dumps(block))
    with before:
        assert fetch(server.url) == BODY
    with after:
        refusal(server.url)


def test_it_can_be_pickled_again(server, ca_file):
    """A block that came by pickle goes on by pickle, without its file."""
    block = pickle.loads(pickle.dumps(trusted_context(ca_file)))
    ca_file.unlink()
    with pickle.loads(pickle.dumps(block)):
        assert fetch(server.url) == BODY


@pytest.mark.parametrize("form", ["file", "bytes", "text"])
@pytest.mark.parametrize("key", material.PRIVATE_KEYS, ids=str)
def test_38_no_key_travels(key, form, dumps, ca, tmp_path):
    """38. Of a file, bytes or text that hold a private key beside the CA, the certificates alone are pickled."""
    key = material.PRIVATE_KEYS[key]()
    content = key + ca.cert_pem.bytes()
    path = tmp_path / "both.pem"
    path.write_bytes(content)
    pickled = dumps(trusted_context({"file": path, "bytes": content, "text": content.decode()}[form]))
    for line in filter(None, key.splitlines()[1:-1]):
        assert line not in pickled
    assert b"PRIVATE" not in pickled
    assert pickle.loads(pickled).describe().partition(": ")[2].startswith("1 CA;")


def test_38_no_password_travels(tmp_path, monkeypatch):
    """38. What the machine is set up to is not looked up, proxies and their passwords neither."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass-word@proxy.corp.test:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pass-word"))
    for block in (trusted_context(), trusted_context(system=True), trusted_context(insecure={"mirror.corp"})):
        assert b"pass-word" not in pickle.dumps(block)


@pytest.mark.parametrize("system", [None, True])
def test_the_system_and_a_bare_block_stay_what_the_other_machine_is_set_up_to(
    system, server, ca_file, other_file, monkeypatch
):
    """Only what was given travels: without a file, the store and the variables are those of the other side."""
    from trusted_context.sources import stores

    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    pickled = pickle.dumps(trusted_context(system=system))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    # The compiled-in path of another machine, whose store is that file.
    monkeypatch.setattr(stores, "compiled_in", lambda: (str(ca_file), ""))
    with pickle.loads(pickled):
        assert fetch(server.url) == BODY


def test_every_argument_travels(ca_file):
    """The copy on the other side is the same block, but for where its certificates are."""
    block = trusted_context(ca_file, system=True, insecure={"mirror.corp:443"}, strict=True, local=True, export=True)
    assert repr(pickle.loads(pickle.dumps(block))) == repr(block)
    assert repr(pickle.loads(pickle.dumps(trusted_context(insecure=True)))) == repr(trusted_context(insecure=True))


def test_what_was_passed_over_is_said_on_the_other_side_too(server, ca):
    """Nobody may have entered the block where it was pickled."""
    damaged = material.to_pem(material.to_der(material.make_ca("Damaged").pem)[:-9])
    block = pickle.loads(pickle.dumps(trusted_context(ca.cert_pem.bytes() + damaged)))
    with pytest.warns(UserWarning, match="skipped while the other certificates are used: .* certificate 2"), block:
        assert fetch(server.url) == BODY


@pytest.mark.parametrize(("content", "kind"), [(None, FileNotFoundError), (b"", BundleError)])
def test_what_cannot_be_read_is_an_error_where_it_is_pickled(content, kind, tmp_path):
    """The place to correct it is here, and the other side could not say more than that it is missing."""
    path = tmp_path / "corp.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind, match=str(path)):
        pickle.dumps(trusted_context(path))


def test_what_is_exported_of_a_block_that_came_by_pickle(server, ca_file):
    """A child of the other process gets a file with its certificates, since there is none of the user's."""
    block = pickle.loads(pickle.dumps(trusted_context(ca_file, export=True)))
    ca_file.unlink()
    code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())"
    with block:
        command = [sys.executable, "-c", code, server.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == BODY.decode(), done.stderr
    assert os.environ.get("SSL_CERT_FILE") is None


def test_a_copy_in_this_process_keeps_its_path(server, ca, other_file):
    """Nothing is read for copy and deepcopy: what the path names counts at entry."""
    block = trusted_context(other_file)
    copies = [copy.copy(block), copy.deepcopy([block])[0]]
    write_ca(ca, other_file)
    for one in copies:
        assert one is not block
        with one:
            assert fetch(server.url) == BODY


def _decorated(kind, block):
    """A function, and a generator, that no other process can import."""
    if kind == "function":

        @block
        def download(url):
            import urllib.request

            with urllib.request.urlopen(url, timeout=20) as response:
                return response.read()

        return download

    @block
    def steps(url):
        import urllib.request

        with urllib.request.urlopen(url, timeout=20) as response:
            yield response.read()

    def first(url):
        return next(steps(url))

    return first


@pytest.mark.parametrize("kind", ["function", "generator"])
def test_38_a_decorated_function_takes_them_along(kind, server, ca_file, empty):
    """38. One that cloudpickle sends to a worker, where the file is not."""
    cloudpickle = pytest.importorskip("cloudpickle")
    function = _decorated(kind, trusted_context(ca_file))
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        pickled = cloudpickle.dumps(function)
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert function(server.url) == BODY
    ca_file.unlink()
    assert elsewhere(_CALL, pickled, server.url, empty) == [BODY.decode()]
