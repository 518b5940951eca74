"""torchvision's Google Drive data sets, which gdown downloads with requests, hence urllib3."""

import base64
import contextlib
import hashlib
import html
import importlib
import io
import random
import socket
import traceback
import urllib.parse
import uuid
import zipfile
from typing import NamedTuple

import pytest
import real
from servers import Handler, Server, serving, verify_failure

from trusted_context import InsecureWarning, trusted_context

pytestmark = pytest.mark.torchvision

DRIVE = "drive.google.com"
CONTENT = "drive.usercontent.google.com"  # where the former redirects to
HOSTS = (DRIVE, CONTENT)
SCANNED_SIZE = 4096  # 100 MB in Google's: whoever wants what is larger is warned of viruses first
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

# Google's, as gdown 6.5 expects it: the form on one line, its address and its fields apart.
WARNING_PAGE = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>\
<meta http-equiv="content-type" content="text/html; charset=utf-8"/></head><body><div class="uc-main">\
<p class="uc-warning-caption">Google Drive can't scan this file for viruses.</p><p class="uc-warning-subcaption">\
<span class="uc-name-size"><a href="/open?id={id}">{name}</a> (1.3G)</span> is too large for Google to scan for \
viruses. Would you still like to download this file?</p>\
<form id="download-form" action="{action}" method="get"><input type="submit" id="uc-download-link" \
class="goog-inline-block jfk-button jfk-button-action" value="Download anyway"/><input type="hidden" name="id" \
value="{id}"><input type="hidden" name="export" value="download"><input type="hidden" name="confirm" value="t">\
<input type="hidden" name="uuid" value="{uuid}"></form></div></body></html>
"""

NO_OTHER_HOST = "nothing leaves this machine"

# mitmproxy runs it. Not to 127.0.0.1, for which real.running_mitmproxy has another certificate.
ADDON = """
def server_connect(data):
    if data.server.address in {reachable!r}:
        data.server.address = ("localhost", {port})
    else:
        data.server.error = {error!r}
"""


class GoogleDrive(Server):
    """Google Drive for downloads, under both of its names."""

    def __init__(self, certificate):
        super().__init__(certificate, handler=_Answer)
        self.confirmations = set()
        self.via = set()
        self.agents = set()

    def expected_requests(self):
        """What gdown asks for when it downloads every file once."""
        requests = []
        for data in self.files.values():
            requests += [f"{DRIVE}/uc", f"{CONTENT}/download"]
            if len(data) > SCANNED_SIZE:
                requests.append(f"{CONTENT}/download confirmed")
        return requests


class _Answer(Handler):
    protocol_version = "HTTP/1.1"  # as Google, so that connections are kept and used again

    def do_GET(self):
        drive, host, url = self.server, self.headers["Host"], urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        is_confirmed = query.get("confirm") == "t"
        drive.requests.append(f"{host}{url.path}{' confirmed' * is_confirmed}")
        drive.via.add(self.headers["Via"])
        drive.agents.add(self.headers["User-Agent"])
        data = drive.files.get(query.get("id"))
        if data is not None and (host, url.path) == (DRIVE, "/uc"):
            to = f"https://{CONTENT}/download?{url.query}"
            cookie = "NID=511; Domain=.google.com; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=none"
            self.answer(303, b"", {"Content-Type": "application/binary", "Location": to, "Set-Cookie": cookie})
        # Google would not insist on its cookie: so it shows whether sessions keep theirs.
        elif (
            data is None
            or (host, url.path) != (CONTENT, "/download")
            or "NID=511" not in self.headers.get("Cookie", "")
        ):
            self.answer(404, b"<title>Error 404 (Not Found)!!1</title>", {"Content-Type": "text/html; charset=UTF-8"})
        elif len(data) > SCANNED_SIZE and not (is_confirmed and query["uuid"] in drive.confirmations):
            self.warn(query["id"])
        else:
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f'attachment; filename="{query["id"]}"',
                "Last-Modified": "Thu, 14 Sep 2017 15:00:00 GMT",
            }
            self.answer(200, data, headers)

    def warn(self, file_id):
        token = str(uuid.uuid4())
        self.server.confirmations.add(token)
        values = {"id": file_id, "name": file_id, "action": f"https://{CONTENT}/download", "uuid": token}
        page = WARNING_PAGE.format(**{name: html.escape(value) for name, value in values.items()})
        self.answer(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def make_file():
    """One file that is more than gdown reads at once."""
    from torchvision.datasets.utils import download_file_from_google_drive

    data = random.Random("file").randbytes(600_000)

    def download(folder, _url):
        download_file_from_google_drive("1_single-File", folder, "file.bin", _md5(data))
        return (folder / "file.bin").read_bytes()

    return real.Source({"1_single-File": data}, download, data)


def make_celeba():
    """CelebA as its authors publish it, a zip of JPEGs beside tables, with two images and three attributes."""
    from PIL import Image
    from torchvision.datasets import CelebA

    size = (178, 218)
    names = ["000001.jpg", "000002.jpg"]
    archive, pixels = io.BytesIO(), []
    with zipfile.ZipFile(archive, "w") as images:
        for name in names:
            jpeg = io.BytesIO()
            Image.frombytes("RGB", size, random.Random(name).randbytes(3 * size[0] * size[1])).save(jpeg, "JPEG")
            images.writestr(f"img_align_celeba/{name}", jpeg.getvalue())
            pixels.append(Image.open(jpeg).tobytes())
    tables = {
        "list_attr_celeba.txt": ["2", "Bald Smiling Young ", f"{names[0]} -1  1  1", f"{names[1]}  1 -1 -1"],
        "identity_CelebA.txt": [f"{names[0]} 2880", f"{names[1]} 2937"],
        "list_bbox_celeba.txt": [
            "2",
            "image_id x_1 y_1 width height",
            *(f"{name}    95  71 226 313" for name in names),
        ],
        "list_landmarks_align_celeba.txt": ["2", "lefteye_x lefteye_y", *(f"{name} 69  109" for name in names)],
        "list_eval_partition.txt": [f"{name} 0" for name in names],
    }
    contents = {name: "\n".join([*lines, ""]).encode() for name, lines in tables.items()}
    contents["img_align_celeba.zip"] = archive.getvalue()

    class Small(CelebA):
        file_list = [(file_id, _md5(contents[name]), name) for file_id, _, name in CelebA.file_list]  # noqa: RUF012

    def download(folder, _url):
        loaded = Small(folder, split="all", target_type=["attr", "identity"], download=True)
        return [(image.tobytes(), attributes.tolist(), int(person)) for image, (attributes, person) in loaded]

    content = list(zip(pixels, ([0, 1, 1], [1, 0, 0]), (2880, 2937), strict=True))
    return real.Source({file_id: contents[name] for file_id, _, name in CelebA.file_list}, download, content)


def _md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


SOURCES = {"file": make_file, "celeba": make_celeba}


class Route(NamedTuple):
    bundle: object  # the CA that signed what the client sees
    wrong_bundle: object
    via: str | None


@pytest.fixture(scope="module")
def sources():
    """What is downloaded, each made once."""
    real.import_torchvision()
    pytest.importorskip("gdown", reason="gdown is not installed")
    return {name: make() for name, make in SOURCES.items()}


@pytest.fixture(scope="module")
def drive(ca):
    """Google Drive, with a certificate for it that *ca* signed."""
    with serving(GoogleDrive(ca.issue_cert(*HOSTS))) as running:
        yield running


@pytest.fixture(params=SOURCES)
def data(request, sources, drive, tmp_path, monkeypatch):
    """What is downloaded, on Google Drive."""
    monkeypatch.setattr(importlib.import_module("gdown.download"), "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies"))
    for noted in (drive.requests, drive.via, drive.agents):
        noted.clear()
    return real.Published(sources[request.param], drive, tmp_path / "data")


@pytest.fixture(scope="module")
def mitmproxy(ca, drive, tmp_path_factory):
    """A mitmproxy that asks for credentials, and connects to our Google Drive or not at all."""
    folder = tmp_path_factory.mktemp("mitmproxy")
    ours = ("localhost", drive.server_port)  # where it was led to once it may connect to again
    addon = folder / "addon.py"
    reachable = {(host, 443) for host in HOSTS} | {ours}
    addon.write_text(ADDON.format(reachable=reachable, port=drive.server_port, error=NO_OTHER_HOST))
    # The folder is mitmproxy's for its configuration too.
    (folder / "config.yaml").write_text(f"scripts: ['{addon}']\n")
    with real.running_mitmproxy(folder, ca) as running:
        yield running


@pytest.fixture(params=["direct", pytest.param("mitmproxy", marks=pytest.mark.mitmproxy)])
def route(request, drive, ca_file, other_file, monkeypatch):
    """How the client gets to Google's hosts, and whose signature it sees from there."""
    if request.param == "direct":
        resolve(monkeypatch, dict.fromkeys(HOSTS, ("127.0.0.1", drive.server_port)))
        return Route(ca_file, other_file, None)
    mitmproxy = request.getfixturevalue("mitmproxy")
    use_proxy(monkeypatch, mitmproxy.url())
    return Route(mitmproxy.bundle, ca_file, real.VIA)


def use_proxy(monkeypatch, url):
    # The proxy, and nobody else, resolves the hosts of a CONNECT: a client that went around it would not get far.
    resolve(monkeypatch, {})
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, url)


def resolve(monkeypatch, hosts):
    """Let this process find *hosts* where they are said to be, port included, and this machine, but no other host."""
    original = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host in hosts:
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", hosts[host])]
        if host not in {"127.0.0.1", "localhost"}:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is not on this machine")
        return original(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextlib.contextmanager
def by_file_beside_a_dangling_variable(bundle):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", f"{bundle}.missing")
        yield trusted_context(cafile=bundle)


@contextlib.contextmanager
def by_nothing(_bundle, hosts=True):
    urllib3 = pytest.importorskip("urllib3")
    with pytest.warns(InsecureWarning), pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        yield trusted_context(insecure=hosts)


@contextlib.contextmanager
def by_nothing_for_googles_hosts(bundle):
    with by_nothing(bundle, set(HOSTS)) as block:
        yield block


def refused(match=UNTRUSTED):
    """What requests raises is an OSError."""
    return pytest.raises(OSError, match=match)


WAYS = {
    "file": real.by_file,
    "environment": real.by_environment,
    "file-beside-dangling": by_file_beside_a_dangling_variable,
    "insecure": by_nothing,
    "insecure-hosts": by_nothing_for_googles_hosts,
}


@pytest.mark.parametrize("trusting", WAYS.values(), ids=WAYS)
def test_a_google_drive_download_succeeds_inside_and_is_refused_before_and_after(data, drive, route, trusting):
    """Redirect, virus warning and all, the files arrive intact in the block, and fail as ever before and after it."""
    from torchvision.datasets.utils import USER_AGENT

    with refused():
        data.load()
    with trusting(route.bundle) as block, block:
        assert data.load() == data.content
    with refused():
        data.load()
    assert drive.requests == drive.expected_requests()
    assert (drive.via, drive.agents) == ({route.via}, {USER_AGENT})


@pytest.mark.parametrize("data", ["file"], indirect=True)
def test_the_variable_that_requests_does_not_read_counts_in_a_block(data, route, monkeypatch):
    """SSL_CERT_FILE means nothing to gdown before and after a block, and names its CA inside."""
    monkeypatch.setenv("SSL_CERT_FILE", str(route.bundle))
    with refused():
        data.load()
    with trusted_context():
        assert data.load() == data.content
    with refused():
        data.load()


@pytest.mark.parametrize("data", ["file"], indirect=True)
def test_a_dangling_variable_breaks_gdown_outside_a_block_alone(data, route, monkeypatch):
    """REQUESTS_CA_BUNDLE that names no file stops gdown before and after a block, and not inside."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{route.bundle}.missing")
    with refused("Could not find a suitable TLS CA certificate bundle"):
        data.load()
    with trusted_context(cafile=route.bundle):
        assert data.load() == data.content
    with refused("Could not find a suitable TLS CA certificate bundle"):
        data.load()


def test_another_ca_refuses_google_drive(data, drive, route):
    """A CA that did not sign what the client sees, be it the origin's own behind a proxy, does not vouch for it."""
    with trusted_context(route.wrong_bundle), refused():
        data.load()
    assert not drive.requests


@pytest.mark.parametrize("data", ["file"], indirect=True)
def test_insecurity_for_one_host_ends_where_it_redirects_to(data, drive, route):
    """With drive.google.com alone unverified, the host that its answer leads to is verified, and refused."""
    with by_nothing(route.bundle, {DRIVE}) as block, block, refused(UNTRUSTED) as caught:
        data.load()
    assert CONTENT in str(caught.value)
    assert drive.requests == [f"{DRIVE}/uc"]


@pytest.mark.parametrize("data", ["file"], indirect=True)
def test_what_gdown_is_told_to_verify_with_wins(data, drive, route, tmp_path):
    """The bundle in gdown.download(verify=...) is the caller's choice, which a block leaves alone."""
    import gdown

    [(file_id, content)] = data.files.items()
    output = tmp_path / "output"
    with trusted_context(route.bundle), refused():
        gdown.download(id=file_id, output=str(output), verify=str(route.wrong_bundle))
    assert not drive.requests
    with trusted_context(route.wrong_bundle):
        gdown.download(id=file_id, output=str(output), verify=str(route.bundle))
    assert output.read_bytes() == content


@pytest.mark.mitmproxy
@pytest.mark.parametrize("password", [None, "wr@ng/pass%word"])
def test_a_proxy_that_wants_other_credentials_is_told_from_a_tls_error(data, drive, mitmproxy, password, monkeypatch):
    """Missing or wrong proxy credentials give a 407, no TLS error, and a message without the password."""
    requests = pytest.importorskip("requests")
    use_proxy(monkeypatch, mitmproxy.url(password))
    with (
        trusted_context(mitmproxy.bundle),
        pytest.raises(requests.exceptions.ProxyError, match="407 Proxy Authentication Required") as caught,
    ):
        data.load()
    assert verify_failure(caught.value) is None
    message = "".join(traceback.format_exception(caught.value))
    for secret in {password or real.PASSWORD, real.PASSWORD}:
        encoded = base64.b64encode(f"{real.USER}:{secret}".encode()).decode()
        assert not any(form in message for form in (secret, urllib.parse.quote(secret, safe=""), encoded))
    assert not drive.requests


@pytest.mark.mitmproxy
def test_the_proxy_of_these_tests_reaches_no_other_host(mitmproxy, monkeypatch):
    """A connection to what is not Google Drive ends in the proxy, before the name would be looked up."""
    requests = pytest.importorskip("requests")
    use_proxy(monkeypatch, mitmproxy.url())
    with trusted_context(mitmproxy.bundle), pytest.raises(requests.exceptions.ProxyError, match="502 Bad Gateway"):
        requests.get("https://docs.google.com/uc", timeout=20)
    assert f"killed before connect: {NO_OTHER_HOST}" in (mitmproxy.bundle.parent / "mitmdump.log").read_text()
