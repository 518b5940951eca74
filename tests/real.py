"""For test_torchvision.py: small real data sets, the server they come from, and a real mitmproxy in between."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib
import importlib.util
import io
import itertools
import os
import pickle
import random
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from servers import BODY, Handler, Server, write_ca

from trusted_context import trusted_context

if TYPE_CHECKING:
    from collections.abc import Callable

USER = "user"
PASSWORD = "s3cr@t/w%rd"  # three characters that a URL cannot carry as they are
VIA = "1.1 mitmproxy"  # RFC 9110, 7.6.3
PINNED_HOST = "127.0.0.1"  # mitmproxy shows the certificate of another host for it

_TLS_HANDSHAKE = b"\x16"  # RFC 8446, 5.1: the content type that a ClientHello's record begins with


def import_torchvision():
    """Import torchvision, or skip the test where it or torch is not installed."""
    pytest.importorskip("torch", reason="torch is not installed")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
    # PyPI's wheel declares its operators in a library that needs CUDA's; beside a CPU-only torch that does not load,
    # and the import fails for the operators alone, which no data set uses. Declaring them where the library does
    # load would be an error, so it is tried without first; what the failed import left would spoil the second.
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = importlib.import_module("torch.library")
    for name in ("nms", "qnms"):
        library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")


class Source(NamedTuple):
    """What a server has to offer, how it is downloaded and loaded from there, and what must come out."""

    files: dict[str, bytes]
    download: Callable[..., Any]  # (folder, server's URL, ...)
    content: Any


def make_cifar10() -> Source:
    """CIFAR-10 as its authors publish it, a tar.gz of pickles, with two images in each file."""
    import numpy as np
    from torchvision.datasets import CIFAR10

    # In the archive an image is its red, its green, then its blue plane; loaded, the three alternate.
    planes = {name: _images(2, 3 * 32 * 32) for name in ("data_batch_1", "data_batch_2", "test_batch")}
    labels = [3, 8]
    members: dict[str, Any] = {
        name: {"data": np.frombuffer(b"".join(images), np.uint8).reshape(2, -1), "labels": labels}
        for name, images in planes.items()
    }
    members["batches.meta"] = {"label_names": ["airplane", "automobile", "bird", "cat"], "num_vis": 3 * 32 * 32}
    pickled = {name: pickle.dumps(member, protocol=2) for name, member in members.items()}
    md5s = {name: _md5(data) for name, data in pickled.items()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in pickled.items():
            info = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

    def download(folder, url):
        class Small(CIFAR10):
            tgz_md5 = _md5(archive.getvalue())
            train_list = [[name, md5s[name]] for name in ("data_batch_1", "data_batch_2")]  # noqa: RUF012  # as theirs
            test_list = [["test_batch", md5s["test_batch"]]]  # noqa: RUF012
            meta = CIFAR10.meta | {"md5": md5s["batches.meta"]}

        Small.url = url + CIFAR10.filename
        return [(image.tobytes(), label) for image, label in Small(folder, download=True)]

    images = [
        bytes(itertools.chain.from_iterable(zip(image[:1024], image[1024:2048], image[2048:], strict=True)))
        for name in ("data_batch_1", "data_batch_2")
        for image in planes[name]
    ]
    content = list(zip(images, itertools.cycle(labels), strict=False))
    return Source({f"/{CIFAR10.filename}": archive.getvalue()}, download, content)


def make_mnist() -> Source:
    """MNIST as its authors publish it, four gzipped IDX files, with three images in each set."""
    from torchvision.datasets import MNIST

    labels = [5, 0, 4]
    images = {name: _images(3, 28 * 28) for name in ("train", "t10k")}
    files = {}
    for name, pixels in images.items():
        files[f"{name}-images-idx3-ubyte.gz"] = _idx((3, 28, 28), b"".join(pixels))
        files[f"{name}-labels-idx1-ubyte.gz"] = _idx((3,), bytes(labels))

    def download(folder, *urls):
        class Small(MNIST):
            mirrors = list(urls)  # noqa: RUF012  # as theirs
            resources = [(name, _md5(data)) for name, data in files.items()]  # noqa: RUF012

        return [(image.tobytes(), label) for image, label in Small(folder, download=True)]

    content = list(zip(images["train"], labels, strict=True))
    return Source({f"/{name}": data for name, data in files.items()}, download, content)


def make_hub() -> Source:
    """A model's weights, with the beginning of their SHA-256 in the file's name as torch.hub has it."""
    import torch

    content = {"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [0.5, -0.5]}
    saved = io.BytesIO()
    torch.save({name: torch.tensor(values) for name, values in content.items()}, saved)
    prefix = hashlib.sha256(saved.getvalue()).hexdigest()[:8]
    name = f"model-{prefix}.pth"

    def download(folder, url):
        folder.mkdir(parents=True)
        torch.hub.download_url_to_file(url + name, str(folder / name), prefix, progress=False)
        weights = torch.load(folder / name, weights_only=True)
        return {name: tensor.tolist() for name, tensor in weights.items()}

    return Source({f"/{name}": saved.getvalue()}, download, content)


def make_url_within_url() -> Source:
    """A file whose URL holds another one, as a mirror's or a cache's may: torchvision changes both schemes."""
    from torchvision.datasets.utils import download_url

    name = "file?from=https://elsewhere.example/"

    def download(folder, url):
        download_url(url + name, folder, "file")
        return (folder / "file").read_bytes()

    return Source({f"/{name}": BODY}, download, BODY)


def _images(count, size):
    return [random.Random(f"{index}").randbytes(size) for index in range(count)]


def _idx(shape, data):
    return gzip.compress(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + data)


def _md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Origin(Server):
    """HTTPS, and plain HTTP on the same port for whoever asks: what a downgrade would meet."""

    def __init__(self, certificate):
        super().__init__(certificate, handler=_Noting)
        self.plain = 0
        self.via = set()

    def finish_request(self, request, client_address):
        request.settimeout(20)
        first = request.recv(1, socket.MSG_PEEK)
        if first in (_TLS_HANDSHAKE, b""):
            super().finish_request(request, client_address)
            return
        self.plain += 1
        with contextlib.suppress(OSError):
            self.RequestHandlerClass(request, client_address, self)


class Published:
    """A data set on a server of its own."""

    def __init__(self, source, origin, folder):
        self.content = source.content
        self.files = source.files
        self.origin = origin
        origin.files = dict(source.files)
        self._download = source.download
        self._folders = (folder / f"{number}" for number in itertools.count())

    def load(self, *urls):
        """Download it from its server, or from *urls*, into a new folder, and return what was loaded from there."""
        return self._download(next(self._folders), *(urls or [self.origin.url]))

    def fail(self, answer):
        """Let each file be asked for once, which is how torchvision looks for redirects, and *answer* further times.

        Over plain HTTP all is well, as it would be with whoever broke the TLS connections to get there.
        """

        def failing(path, body):
            def answer_request(handler):
                is_first = self.origin.requests.count(f"GET {path}") == 1
                is_plain = not isinstance(handler.connection, ssl.SSLSocket)
                (reply if is_first or is_plain else answer)(handler, body)

            return answer_request

        self.origin.files = {path: failing(path, body) for path, body in self.files.items()}


class _Noting(Handler):
    def do_GET(self):
        self.server.via.add(self.headers.get("Via"))
        super().do_GET()


def reply(handler, body):
    """Answer properly."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def answer_unavailable(handler, _body):
    """Answer 503."""
    handler.send_error(503)


def answer_nothing(_handler, _body):
    """Close the connection without an answer."""


def answer_half_and_reset(handler, body):
    """Begin to answer, and reset the connection."""
    _reply_half(handler, body)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer_half_and_garble(handler, body):
    """Begin to answer, and go on with what is not TLS."""
    _reply_half(handler, body)
    with socket.socket(fileno=os.dup(handler.connection.fileno())) as beneath:
        beneath.sendall(b"this is no TLS record")


def _reply_half(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


@contextlib.contextmanager
def by_file(bundle):
    """Trust by the CA's file."""
    yield trusted_context(cafile=bundle)


@contextlib.contextmanager
def by_environment(bundle):
    """Trust by the variable that names the CA's file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bundle))
        yield trusted_context()


class Mitmproxy(NamedTuple):
    """A mitmproxy that runs."""

    port: int
    bundle: Path

    def url(self, password=PASSWORD):
        """The proxy's URL with this password, or without credentials."""
        credentials = f"{USER}:{urllib.parse.quote(password, safe='')}@" if password else ""
        # Not as localhost, so that a host of the proxy's is told from a host behind it.
        return f"http://{credentials}127.0.0.1:{self.port}"


@contextlib.contextmanager
def running_mitmproxy(folder, ca):
    """Run mitmdump, which signs anew what it fetched from servers of *ca*, or skip where there is none."""
    program = shutil.which("mitmdump") or shutil.which("mitmdump", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("mitmdump is not installed")
    upstream = write_ca(ca, folder / "upstream.pem")
    elsewhere = folder / "elsewhere.pem"
    ca.issue_cert("elsewhere.example").private_key_and_cert_chain_pem.write_to_path(elsewhere)
    log = folder / "mitmdump.log"
    command = [program, "--listen-host", "127.0.0.1", "--listen-port", "0", "--proxyauth", f"{USER}:{PASSWORD}"]
    command += ["--set", f"confdir={folder}", "--set", f"ssl_verify_upstream_trusted_ca={upstream}"]
    command += ["--certs", f"{PINNED_HOST}={elsewhere}", "--modify-headers", f"|~q|Via|{VIA}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Mitmproxy(_wait_for_port(process, log), folder / "mitmproxy-ca-cert.pem")
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_for_port(process, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(rb"proxy listening at \S+:(\d+)", log.read_bytes()):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"mitmdump did not start: {log.read_text(errors='replace')}")
