"""Loopback servers for the tests: HTTPS with certificates made here, plain HTTP, and a CONNECT proxy."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import select
import selectors
import socket
import socketserver
import ssl
import threading
import urllib.request

from trusted_context.core import live

BODY = b"a data set"
# No name begins so (RFC 1123, 2.1): the resolver refuses it by itself, and no name server is asked.
NO_NAME = "-nobody.invalid"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path with ``server.files[path]``, or with BODY, and notes the request."""

    timeout = 20

    def do_GET(self):
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.server.files.get(self.path, BODY)
        if callable(body):
            body(self)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET

    def log_message(self, *_args):
        pass


class KeepAliveHandler(Handler):
    """The same, over connections that stay open for the next request."""

    protocol_version = "HTTP/1.1"


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """An HTTP server on a free loopback port; with *certificate* (trustme's) it speaks TLS."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, certificate=None, *, configure=None, handler=Handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.files = {}
        self.requests = []
        self.accepted = 0
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self.context)
            if configure:
                configure(self.context)
        self.scheme = "https" if certificate else "http"
        self.url = f"{self.scheme}://localhost:{self.server_port}/"

    def server_bind(self):
        # Not HTTPServer's, which asks the resolver, and so perhaps a name server, what the address is called.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def get_request(self):
        connection, address = super().get_request()
        self.accepted += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request, client_address):
        # The handshake runs in the connection's own thread: one that stalls holds up nobody else.
        request.settimeout(20)
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ValueError):
                return
        with contextlib.suppress(OSError):
            super().finish_request(request, client_address)
        with contextlib.suppress(OSError):
            request.close()

    def handle_error(self, request, client_address):
        pass


class ConnectProxy(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A proxy that tunnels CONNECT, and answers 407 where *credentials* (``user:password``) are asked for.

    With *certificate* (trustme's) it is an ``https://`` proxy. Asked for a whole URL it answers BODY by itself.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, credentials=None, *, certificate=None):
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.credentials = credentials
        self.tunnelled = []
        self.forwarded = []
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self.context)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://localhost:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        request.settimeout(20)
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        with request:
            super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


class _Tunnel(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self):
        import base64

        line = self.rfile.readline().decode("latin-1").split()
        headers = {}
        while header := self.rfile.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        credentials = self.server.credentials
        expected = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()
        if expected and headers.get("proxy-authorization") != expected:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if len(line) == 3 and line[1].startswith(("http://", "https://")):
            self.server.forwarded.append(line[1])
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
            return
        if len(line) < 2 or line[0] != "CONNECT":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        self.server.tunnelled.append(line[1])
        host, _, port = line[1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=20) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(self.connection, upstream)


def _pump(left, right):
    peers = {left: right, right: left}
    while True:
        # What OpenSSL has decrypted already is in the socket of no use to select().
        waiting = [peer for peer in peers if isinstance(peer, ssl.SSLSocket) and peer.pending()]
        ready, _, _ = (waiting, [], []) if waiting else select.select(list(peers), [], [], 20)
        if not ready:
            return
        for peer in ready:
            with contextlib.suppress(ConnectionError):
                data = peer.recv(65536)
                if data:
                    peers[peer].sendall(data)
                    continue
            return


@contextlib.contextmanager
def serving(server):
    """Run *server* in a thread until the end of the ``with``."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def fetch(url, **kwargs):
    """What the URL holds, through the global opener."""
    with urllib.request.urlopen(url, timeout=20, **kwargs) as response:
        return response.read()


def verify_failure(error):
    """The certificate verification error within *error*, or None."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        # urllib and urllib3 keep it as the reason, urllib3 within another error as its argument.
        held = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        error = next((inner for inner in held if isinstance(inner, BaseException)), None)
    return error


def write_ca(ca, path):
    """Write the CA's certificate (trustme's CA) as PEM."""
    path.write_bytes(ca.cert_pem.bytes())
    return path


def refusal(url, **kwargs):
    """The verification error that fetching the URL ends in; fails where it does not."""
    try:
        body = fetch(url, **kwargs)
    except OSError as error:
        found = verify_failure(error)
        if found is None:
            raise
        return found
    raise AssertionError(f"{url} was fetched without a trusted certificate: {body[:40]!r}")


def fails(call, *args, **kwargs):
    """The verification error that the call ends in; fails where it does not."""
    try:
        result = call(*args, **kwargs)
    except Exception as error:
        found = verify_failure(error)
        if found is None:
            raise
        return found
    raise AssertionError(f"a server was trusted without a trusted certificate, and sent {result!r}")


def asking_for_certificates(ca, mode=ssl.CERT_OPTIONAL):
    """An HTTPS server that asks for client certificates of *ca*, and answers with the name in the one it got."""

    def ask(context):
        ca.configure_trust(context)
        context.verify_mode = mode

    def name_the_client(request):
        presented = request.connection.getpeercert()
        name = presented["subjectAltName"][0][1].encode() if presented else b"nobody"
        request.send_response(200)
        request.send_header("Content-Length", str(len(name)))
        request.end_headers()
        request.wfile.write(name)

    server = Server(ca.issue_cert("localhost"), configure=ask)
    server.files["/"] = name_the_client
    return server


def redirect_to(url):
    """A body for ``server.files`` that sends the client to *url*."""

    def redirect(request):
        request.send_response(302)
        request.send_header("Location", url)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return redirect


async def soon(condition):
    """Wait until the condition holds, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what others do is told by no event
            await asyncio.sleep(0.002)


async def all_closed():
    """Wait until the running loop has no connection left: asyncio and aiohttp end before all of theirs are closed."""
    selector = asyncio.get_running_loop()._selector
    # In it is the loop's own socket, too. Windows has none that could be asked.
    await soon(lambda: not isinstance(selector, selectors.BaseSelector) or len(selector.get_map()) <= 1)


@contextlib.contextmanager
def noting_protocols(ca):
    """A server that would speak h2 too, and the protocols that its clients agreed on (RFC 7301)."""

    def offer(context):
        context.set_alpn_protocols(["h2", "http/1.1"])

    def note(request):
        agreed.append(request.connection.selected_alpn_protocol())
        request.send_response(204)
        request.end_headers()

    agreed = []
    with serving(Server(ca.issue_cert("localhost"), configure=offer)) as server:
        server.files["/"] = note
        yield server, agreed


def lent():
    """How many certificates each context holds from which the governing block lends anchors."""
    contexts = live.governing().resolved.verifier._lent.values()
    return {context.cert_store_stats()["x509"] for context in contexts}
