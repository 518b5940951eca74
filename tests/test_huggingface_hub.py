import asyncio
import contextlib
import itertools
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub import COMMIT, CONTENT, REPOSITORY, WEIGHTS, Hub, Storage
from servers import ConnectProxy, fails, serving, verify_failure

from trusted_context import InsecureWarning, explain, trusted_context

huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
from huggingface_hub import constants, file_download  # noqa: E402  # only where it is installed
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError  # noqa: E402
from huggingface_hub.utils import _http  # noqa: E402

pytestmark = pytest.mark.hub


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    """It asks huggingface.co nothing, draws no bars, and makes all of its retries but does not wait for them.

    There is no setting for these: six handshakes and 23 seconds a file that cannot be verified, six and 5 from a CDN.
    """
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    impatient = SimpleNamespace(**vars(time) | {"sleep": lambda _seconds: None})
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", impatient)
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


@pytest.fixture(scope="module")
def _storage(ca):
    with serving(Storage(ca.issue_cert("127.0.0.1"))) as running:
        yield running


@pytest.fixture(scope="module")
def _hub(ca, _storage):
    with serving(Hub(ca.issue_cert("localhost"), _storage.url)) as running:
        yield running


@pytest.fixture
def storage(_storage):
    """The CDN, at another host than the Hub."""
    _storage.requests.clear()
    return _storage


@pytest.fixture
def hub(_hub, storage):
    """The Hub, which *ca* signed."""
    _hub.requests.clear()
    _hub.storage = storage.url
    return _hub


@pytest.fixture
def new_folder(tmp_path):
    """A function that gives a new folder at each call: what is cached is not downloaded again."""
    return (tmp_path / f"{number}" for number in itertools.count()).__next__


def download(hub, folder, name=WEIGHTS):
    """One file, as transformers and most others do it."""
    path = huggingface_hub.hf_hub_download(REPOSITORY, name, endpoint=hub.endpoint, cache_dir=folder, token=False)
    return {name: Path(path).read_bytes()}


def download_to_folder(hub, folder):
    path = huggingface_hub.hf_hub_download(REPOSITORY, WEIGHTS, endpoint=hub.endpoint, local_dir=folder, token=False)
    return {WEIGHTS: Path(path).read_bytes()}


def download_snapshot(hub, folder, **options):
    """Every file, in worker threads."""
    options |= {"endpoint": hub.endpoint, "cache_dir": folder, "token": False}
    top = Path(huggingface_hub.snapshot_download(REPOSITORY, **options))
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def ask_api(hub, _folder):
    api = huggingface_hub.HfApi(endpoint=hub.endpoint, token=False)
    assert api.model_info(REPOSITORY).sha == COMMIT
    assert api.file_exists(REPOSITORY, WEIGHTS)
    return {name: CONTENT[name] for name in api.list_repo_files(REPOSITORY)}


def read_through_file_system(hub, _folder):
    """As fsspec, and so pandas and datasets, read ``hf://``: a whole file, a range, and a folder."""
    files = huggingface_hub.HfFileSystem(endpoint=hub.endpoint, token=False, skip_instance_cache=True)
    with files.open(f"{REPOSITORY}/{WEIGHTS}", "rb", block_size=100) as file:
        file.seek(500)
        assert file.read(10) == CONTENT[WEIGHTS][500:510]
    paths = [path for path in files.find(REPOSITORY) if not path.endswith("/")]
    return {path.removeprefix(f"{REPOSITORY}/"): files.cat_file(path) for path in paths}


WAYS = {
    "hf_hub_download": (download, {WEIGHTS: CONTENT[WEIGHTS]}),
    "hf_hub_download to a folder": (download_to_folder, {WEIGHTS: CONTENT[WEIGHTS]}),
    "snapshot_download": (download_snapshot, CONTENT),
    "HfApi": (ask_api, CONTENT),
    "HfFileSystem": (read_through_file_system, CONTENT),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", ["before", "inside"])
def test_the_hub_is_reached_inside_and_refused_before_and_after(hub, ca_file, new_folder, way, made):
    """With the one client of the process made before the block or in it; after it the same client verifies as ever."""
    get, expected = WAYS[way]
    assert fails(get, hub, new_folder())
    assert not hub.requests
    client = huggingface_hub.get_session() if made == "before" else None
    with trusted_context(ca_file):
        assert get(hub, new_folder()) == expected
        assert client in (None, huggingface_hub.get_session())
    assert huggingface_hub.get_session() is not None
    hub.requests.clear()
    assert fails(get, hub, new_folder())
    assert not hub.requests


@pytest.fixture
def _trusted_by_the_machine(ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))


@pytest.mark.usefixtures("_trusted_by_the_machine")
@pytest.mark.parametrize("way", WAYS)
def test_another_ca_refuses_the_hub(hub, storage, other_file, new_folder, way):
    """Also where the machine trusts the Hub and connections to it are open: the block's CAs are all that count."""
    get, expected = WAYS[way]
    assert get(hub, new_folder()) == expected
    hub.requests.clear()
    storage.requests.clear()
    with trusted_context(other_file):
        assert fails(get, hub, new_folder())
    assert not hub.requests
    assert not storage.requests
    assert get(hub, new_folder()) == expected


def test_one_client_goes_in_and_out(hub, ca_file, other_file):
    """huggingface_hub closes its client at a failure; one that is kept is the block's inside alone as well."""
    url = f"{hub.endpoint}/api/models/{REPOSITORY}"
    with _http.default_client_factory() as client:
        for _ in range(2):
            assert fails(client.get, url)
            with trusted_context(ca_file):
                assert client.get(url).json()["sha"] == COMMIT
            with trusted_context(other_file):
                assert fails(client.get, url)


def test_the_cdn_is_verified_too(hub, ca_file, other_ca, other_file, new_folder):
    """An LFS file comes from another host, whose certificate counts for itself."""
    with serving(Storage(other_ca.issue_cert("127.0.0.1"))) as elsewhere:
        hub.storage = elsewhere.url
        with trusted_context(ca_file):
            assert download(hub, new_folder(), "config.json")
            assert fails(download, hub, new_folder())
        assert not elsewhere.requests
        with trusted_context([ca_file, other_file]):
            assert download(hub, new_folder()) == {WEIGHTS: CONTENT[WEIGHTS]}


def test_the_cdns_name_is_verified_too(hub, ca, ca_file, new_folder):
    """A certificate of the right CA for another host is refused."""
    with serving(Storage(ca.issue_cert("localhost"))) as misnamed:
        hub.storage = misnamed.url
        with trusted_context(ca_file):
            assert fails(download, hub, new_folder()).verify_code == 64
        assert not misnamed.requests


def test_insecurity_does_not_follow_the_redirect(hub, storage, new_folder):
    """With the Hub alone unverified its CDN is refused; with both named, neither is verified."""
    with pytest.warns(InsecureWarning), trusted_context(insecure={"localhost"}):
        assert download(hub, new_folder(), "config.json")
        assert fails(download, hub, new_folder())
        assert not storage.requests
    with pytest.warns(InsecureWarning), trusted_context(insecure={"localhost", "127.0.0.1"}):
        assert download_snapshot(hub, new_folder()) == CONTENT
    assert fails(download, hub, new_folder())


def test_an_exporting_block_leaves_an_ordinary_client(hub, ca_file, new_folder):
    """A client made while SSL_CERT_FILE is exported does not keep what that names."""
    with trusted_context(ca_file, export=True):
        assert download_snapshot(hub, new_folder()) == CONTENT
        client = huggingface_hub.get_session()
    assert huggingface_hub.get_session() is client
    assert fails(client.get, hub.endpoint)


@pytest.mark.skipif(getattr(sys.flags, "thread_inherit_context", False), reason="threads inherit the context here")
def test_a_local_block_does_not_reach_the_threads_of_snapshot_download(hub, storage, ca_file, new_folder):
    """They inherit no context: the list of files comes through, in the caller's thread, and the files are refused."""
    with trusted_context(ca_file, local=True):
        assert download(hub, new_folder()) == {WEIGHTS: CONTENT[WEIGHTS]}
        storage.requests.clear()
        # One thread: where several fail, huggingface_hub 1 may close the client that another is about to use.
        assert fails(download_snapshot, hub, new_folder(), max_workers=1)
        assert not storage.requests
        assert any("/api/models/" in request for request in hub.requests)


def test_its_async_client_is_covered(hub, ca_file):
    """What ``get_async_session()`` gives, made before, inside and kept after."""
    url = f"{hub.endpoint}/api/models/{REPOSITORY}"

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(huggingface_hub.get_async_session())]
            async with trusted_context(ca_file):
                clients.append(await stack.enter_async_context(huggingface_hub.get_async_session()))
                for client in clients:
                    assert (await client.get(url)).json()["sha"] == COMMIT
            for client in clients:
                with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(url)

    asyncio.run(main())


def test_it_goes_through_a_proxy_with_a_password(hub, storage, ca_file, new_folder, monkeypatch):
    """The tunnels to the Hub and to the CDN are verified by the block."""
    with serving(ConnectProxy("user:secret")) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.replace("//", "//user:secret@"))
        with trusted_context(ca_file):
            assert download_snapshot(hub, new_folder()) == CONTENT
        assert set(proxy.tunnelled) == {f"localhost:{hub.server_port}", f"127.0.0.1:{storage.server_port}"}
        assert fails(download, hub, new_folder())


def test_its_command_follows_with_the_blocks_environment(hub, ca_file, new_folder):
    """As ``!hf download`` in a notebook does under ``export=True``."""
    folder = new_folder()
    command = [sys.executable, "-c", "from huggingface_hub.cli.hf import main; main()", "download", REPOSITORY]
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder), "HF_HUB_DISABLE_XET": "1"}
    settings["HF_HUB_DISABLE_UPDATE_CHECK"] = settings["HF_HUB_DISABLE_TELEMETRY"] = "1"
    environment = trusted_context(ca_file).environment() | settings
    subprocess.run([*command, WEIGHTS], env=environment, capture_output=True, timeout=50, check=True)
    assert [path.read_bytes() for path in folder.rglob(WEIGHTS)] == [CONTENT[WEIGHTS]]


def cached_file(hub, folder, name, **options):
    """As ``transformers.utils.hub.cached_file`` does it: one call with everything, then what was cached, or OSError."""
    options = {
        "endpoint": hub.endpoint,  # transformers leaves it to HF_ENDPOINT
        "subfolder": None,
        "repo_type": None,
        "revision": "main",
        "cache_dir": folder,
        "user_agent": {"file_type": "config"},
        "force_download": False,
        "token": False,
        "local_files_only": False,
    } | options
    try:
        return huggingface_hub.hf_hub_download(REPOSITORY, name, **options)
    except EntryNotFoundError as error:
        if not isinstance(error, LocalEntryNotFoundError):
            return None
        cached = huggingface_hub.try_to_load_from_cache(REPOSITORY, name, cache_dir=folder)
        if isinstance(cached, str):
            return cached
        raise OSError("We couldn't connect to the Hub, and couldn't find the file in the cache.") from error


def test_one_shot_calls_fall_back_to_what_was_cached(hub, ca_file, new_folder):
    """As transformers loads a model: after the block the Hub is refused, and what was downloaded inside still loads."""
    folder = new_folder()
    with trusted_context(ca_file):
        path = cached_file(hub, folder, "config.json")
        assert Path(path).read_bytes() == CONTENT["config.json"]
        assert cached_file(hub, folder, "no_such.json") is None
        assert cached_file(hub, folder, "part-1.txt", subfolder="data")
    hub.requests.clear()
    assert cached_file(hub, folder, "config.json") == path
    assert cached_file(hub, folder, "config.json", local_files_only=True) == path
    assert not hub.requests
    with pytest.raises(OSError, match="couldn't connect to the Hub") as caught:
        cached_file(hub, folder, "README.md")
    assert verify_failure(caught.value)


def test_the_failure_that_its_error_hides_can_be_found(hub, new_folder):
    """Without a block: "check your connection", and beneath it the verification failure, as its cause's context."""
    with pytest.raises(LocalEntryNotFoundError, match="check your connection") as caught:
        download(hub, new_folder())
    assert "CERTIFICATE_VERIFY_FAILED" not in str(caught.value)
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.__cause__)
    assert verify_failure(caught.value).verify_code in (18, 19, 20)


def test_the_note_says_what_its_error_hides(hub, other_file, new_folder):
    """In a block with another CA the same error leaves with a note that names the host and the CA."""
    with pytest.raises(LocalEntryNotFoundError) as caught, trusted_context(other_file):
        download(hub, new_folder())
    (note,) = caught.value.__notes__
    assert note.startswith("localhost: its certificate is signed by")
    assert str(other_file) in note
    assert explain(caught.value).cause == "unknown-issuer"
