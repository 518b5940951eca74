"""What the examples download from: an HTTPS server on this machine whose CA is made on the spot and known to nobody.

It holds a small data set in the format of CIFAR-10's python version, with noise for images.
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import io
import os
import pickle
import random
import socket
import socketserver
import ssl
import tarfile
import threading
import time
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
LABELS = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]

_CA_VARIABLES = {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"}
_IMAGES_PER_BATCH = 160
_BYTES_PER_IMAGE = 3 * 32 * 32
_PIECE = 64 * 1024


def forget_settings() -> list[str]:
    """Unset, for this process alone, the variables that name CAs and proxies; return the names of those that were set.

    Some machines export them, and an example should go the same way on each.
    """
    names = [name for name in os.environ if name.upper() in _CA_VARIABLES or name.upper().endswith("_PROXY")]
    for name in names:
        del os.environ[name]
    # On Windows and macOS urllib would else ask the system's settings for a proxy to localhost.
    os.environ["NO_PROXY"] = "localhost"
    return sorted(names)


@contextlib.contextmanager
def serving(cafile: str | os.PathLike[str], *, seconds: float = 0) -> Iterator[str]:
    """Run the server and give the data set's URL; *cafile* is where its CA's certificate is written to.

    Args:
        cafile: the file to write.
        seconds: how long a download takes at least, so that there is time to see it.
    """
    ca = trustme.CA(organization_name="Throw-away CA of an example")
    ca.cert_pem.write_to_path(cafile)
    server = _Server(ca.issue_cert("localhost"), make_archive(), seconds)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/{ARCHIVE}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_archive() -> bytes:
    """The data set as a ``.tar.gz``: six pickled batches and the labels' names, under CIFAR-10's names and keys."""
    noise = random.Random(10)  # the same data set at every run
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    files = {name: _make_batch(name, noise) for name in names}
    files["batches.meta"] = {
        b"num_cases_per_batch": _IMAGES_PER_BATCH,
        b"num_vis": _BYTES_PER_IMAGE,
        b"label_names": LABELS,
    }
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as tar:
        for name, content in files.items():
            pickled = pickle.dumps(content)
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(pickled)
            tar.addfile(member, io.BytesIO(pickled))
    # Noise does not get smaller however long one tries.
    return gzip.compress(tarred.getvalue(), compresslevel=1)


def _make_batch(name: str, noise: random.Random) -> dict[bytes, object]:
    # CIFAR-10 has a numpy array for data; a list of rows is indexed alike and needs no numpy.
    return {
        b"batch_label": name.encode(),
        b"labels": noise.choices(range(len(LABELS)), k=_IMAGES_PER_BATCH),
        b"data": [noise.randbytes(_BYTES_PER_IMAGE) for _ in range(_IMAGES_PER_BATCH)],
        b"filenames": [b"noise_%04d.png" % number for number in range(_IMAGES_PER_BATCH)],
    }


class _Server(socketserver.ThreadingTCPServer):
    # http.server's own class would ask DNS for this machine's name, which takes seconds on some.

    daemon_threads = True

    def __init__(self, certificate: trustme.LeafCert, body: bytes, seconds: float) -> None:
        # The address that clients try first; on Windows the wait for a refusal of the other one is two seconds.
        self.address_family, *_, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
        super().__init__(address[:2], _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.body = body
        self.pause = seconds * _PIECE / len(body)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        # A client may leave early.
        with contextlib.suppress(OSError):
            for start in range(0, len(self.server.body), _PIECE):
                self.wfile.write(self.server.body[start : start + _PIECE])
                time.sleep(self.server.pause)

    def log_message(self, *_args: object) -> None:
        """Say nothing: the example does the talking."""
