"""Servers on the loopback interface: one that sends zeros over HTTPS from a process of its own, one that stalls."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import trustme

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOST = "127.0.0.1"
_CHUNK = bytes(1 << 20)


@dataclass(frozen=True)
class Server:
    """A server that is running, and the CA that signed its certificate."""

    address: str
    cafile: str

    def bundle_with(self, cafile: str) -> str:
        """A file beside the CA's own that holds it after the CAs of *cafile*: a bundle of ordinary size."""
        path = f"{self.cafile}.bundle"
        with open(path, "wb") as bundle:
            for part in (cafile, self.cafile):
                with open(part, "rb") as file:
                    bundle.write(file.read())
        return path

    def url(self, size: int = 0) -> str:
        """Where *size* zeros are to be had."""
        return f"https://{self.address}/{size}"


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server in another process, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        cafile, identity = os.path.join(folder, "ca.pem"), os.path.join(folder, "server.pem")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(cafile)
        authority.issue_cert(_HOST).private_key_and_cert_chain_pem.write_to_path(identity)
        command = [sys.executable, os.path.abspath(__file__), identity]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Server(f"{_HOST}:{int(process.stdout.readline())}", cafile)
            finally:
                process.terminate()


@contextlib.contextmanager
def stalling() -> Iterator[tuple[str, Callable[[], None]]]:
    """A server that never answers a handshake: its URL, and a function that waits until one has begun.

    Whoever is in that handshake is disconnected at the end.
    """
    with contextlib.ExitStack() as stack, socket.create_server((_HOST, 0)) as listener:

        def wait_for_handshake() -> None:
            connection = stack.enter_context(listener.accept()[0])
            connection.recv(1, socket.MSG_PEEK)

        yield f"https://{_HOST}:{listener.getsockname()[1]}/", wait_for_handshake


class _Zeros(http.server.BaseHTTPRequestHandler):
    """Answers every path, which is a number, with as many zeros, and keeps the connection for whoever wants it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Send the zeros from one buffer, whatever their number."""
        left = int(self.path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        while left:
            left -= self.wfile.write(_CHUNK[:left])

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the parent's terminal shows the table."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, identity: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity)
        super().__init__((_HOST, 0), _Zeros)

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        """Shake hands in the connection's own thread, so that the accepting one never waits."""
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


def _serve(identity: str) -> None:
    with _Server(identity) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    _serve(sys.argv[1])
