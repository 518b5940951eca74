"""Loopback TLS servers that say just enough for real libraries: JSON interfaces, WebSocket, Redis and MongoDB."""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import struct
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from servers import BODY, KeepAliveHandler, Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What the services say of which the libraries are clients, by the beginning of the path.
_ANSWERS = {
    "/storage/v1/b": {"kind": "storage#buckets"},
    "/v1/models": {"candidates": [{"content": {"role": "model", "parts": [{"text": "yes"}]}}]},
    "/voices": [{"ShortName": "a voice"}],
    "/search": [{"display_name": "a place", "lat": "1.0", "lon": "2.0"}],
    "/elastic": {"version": {"number": "9.0.0", "build_flavor": "default"}, "tagline": "You Know, for Search"},
}


class _Service(KeepAliveHandler):
    """Reads what it is sent to its end, and answers as one of the services, or with BODY."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command != "HEAD":
            self.server.requests.append(self.path)
        found = [answer for path, answer in _ANSWERS.items() if self.path.startswith(path)]
        body = json.dumps(found[0]).encode() if found else BODY
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if found else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET


class _Redis(socketserver.StreamRequestHandler):
    """Knows the commands with which clients begin, and PING (the protocol RESP3)."""

    def handle(self):
        while line := self.rfile.readline():
            words = [self._word() for _ in range(int(line[1:]))]
            answer = {b"HELLO": b"%1\r\n+proto\r\n:3\r\n", b"PING": b"+PONG\r\n"}.get(words[0].upper(), b"+OK\r\n")
            if words[0].upper() == b"PING":
                self.server.requests.append("PING")
            self.wfile.write(answer)

    def _word(self):
        size = int(self.rfile.readline()[1:])
        return self.rfile.read(size + 2)[:-2]


class _Mongo(socketserver.StreamRequestHandler):
    """Says hello as a single server, in either message of MongoDB's wire protocol, and that all else went well."""

    hello = {  # noqa: RUF012  # read only
        "ismaster": True,
        "isWritablePrimary": True,
        "helloOk": True,
        "minWireVersion": 0,
        "maxWireVersion": 25,
        "maxBsonObjectSize": 1 << 24,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "ok": 1.0,
    }

    def handle(self):
        import bson

        while header := self.rfile.read(16):
            length, request, _, code = struct.unpack("<iiii", header)
            body = self.rfile.read(length - 16)
            if b"\x10ping\x00" in body:
                self.server.requests.append("ping")
            document = bson.encode(self.hello)
            # OP_QUERY asks for an OP_REPLY, OP_MSG for another OP_MSG with one section of kind 0.
            answer = struct.pack("<iqii", 8, 0, 0, 1) if code == 2004 else struct.pack("<iB", 0, 0)
            answer += document
            self.wfile.write(struct.pack("<iiii", 16 + len(answer), 0, request, 1 if code == 2004 else 2013) + answer)


@contextlib.contextmanager
def _handled_by(handler: type, certificate: Any) -> Iterator[Server]:
    with serving(Server(certificate, handler=handler)) as server:
        yield server


@contextlib.contextmanager
def _websocket(certificate: Any) -> Iterator[Any]:
    """The server of the library websockets, which sends back what it gets."""
    from websockets.sync.server import serve

    def echo(connection: Any) -> None:
        server.accepted += 1
        for message in connection:
            server.requests.append(message)
            connection.send(message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with serve(echo, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.socket.getsockname()[1]
        server = SimpleNamespace(accepted=0, requests=[], server_port=port, url=f"https://localhost:{port}/")
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(10)


SERVERS: dict[str, Callable[[Any], Any]] = {
    "http": lambda certificate: _handled_by(_Service, certificate),
    "redis": lambda certificate: _handled_by(_Redis, certificate),
    "mongodb": lambda certificate: _handled_by(_Mongo, certificate),
    "websocket": _websocket,
}
