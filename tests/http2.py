"""A loopback handler that speaks HTTP/2 with those that offer it, and notes what each connection offered."""

from __future__ import annotations

import contextlib

import h2.config
import h2.connection
import h2.events
from servers import BODY, KeepAliveHandler, Server


class Handler(KeepAliveHandler):
    """Answers in the protocol that was agreed on, which it notes in ``server.agreed``."""

    def handle(self):
        agreed = self.request.selected_alpn_protocol()
        self.server.agreed.append(agreed)
        with contextlib.suppress(OSError):
            if agreed == "h2":
                self._speak_http2()
            else:
                super().handle()

    def _speak_http2(self):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        self.request.sendall(connection.data_to_send())
        while data := self.request.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    connection.send_headers(event.stream_id, [(":status", "200")])
                    connection.send_data(event.stream_id, BODY, end_stream=True)
            self.request.sendall(connection.data_to_send())


def make_server(certificate):
    """An HTTPS server that prefers HTTP/2."""

    def offer(context):
        context.set_alpn_protocols(["h2", "http/1.1"])

    server = Server(certificate, configure=offer, handler=Handler)
    server.agreed = []
    return server
