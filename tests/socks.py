"""A SOCKS5 proxy (RFC 1928) that asks for user and password (RFC 1929)."""

from __future__ import annotations

import socket
import socketserver

from servers import _pump


class SocksProxy(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """On a free loopback port; notes each address it connected to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, user, password):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.credentials = user, password
        self.tunnelled = []
        self.url = f"socks5://localhost:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self):
        self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\5\2")
        self.rfile.read(1)
        if (self._text(), self._text()) != self.server.credentials:
            self.wfile.write(b"\1\1")
            return
        self.wfile.write(b"\1\0")
        kind = self.rfile.read(4)[3]
        host = self._text() if kind == 3 else socket.inet_ntoa(self.rfile.read(4))
        address = host, int.from_bytes(self.rfile.read(2), "big")
        self.server.tunnelled.append(address)
        with socket.create_connection(address, timeout=20) as upstream:
            self.wfile.write(b"\5\0\0\1" + bytes(6))
            _pump(self.connection, upstream)

    def _text(self):
        return self.rfile.read(self.rfile.read(1)[0]).decode()
