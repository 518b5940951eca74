"""The servers of the tests under load, in a process of their own, since what is open here is counted there.

Usage: load_servers.py FOLDER. It writes the CAs' certificates to FOLDER, prints the ports, and ends with its input.
"""

import json
import socket
import struct
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import trustme
from servers import BODY, KeepAliveHandler, Server, serving, write_ca

CAS = ("a", "b", "c", "stranger")


def _end(request):
    request.close_connection = True


def _reset(request):
    """End with a reset, where others end with a word."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(request.connection.detach())
    _end(request)


def _stall(request):
    time.sleep(0.2)
    _end(request)


def _send_half(request):
    # In chunks, of which every client notices that they do not end; botocore's lets a body be shorter than was said.
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"%x\r\n%b" % (2 * len(BODY), BODY))
    _end(request)


FAULTS = {"/reset": _reset, "/stall": _stall, "/half": _send_half}


class _Deaf(Server):
    """Ends a connection before its handshake: at once by a reset, or after a while."""

    def finish_request(self, request, client_address):
        request.recv(1)
        if client_address[1] % 2:
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            time.sleep(0.2)
        request.close()


def _main(folder):
    cas = {name: trustme.CA(organization_name=name) for name in CAS}
    servers = {}
    for name, ca in cas.items():
        write_ca(ca, folder / f"{name}.pem")
        servers[name] = Server(ca.issue_cert("localhost", "127.0.0.1"), handler=KeepAliveHandler)
    servers["misnamed"] = Server(cas["a"].issue_cert("elsewhere.test"), handler=KeepAliveHandler)
    servers["deaf"] = _Deaf(cas["a"].issue_cert("localhost", "127.0.0.1"))
    with ExitStack() as stack:
        for server in servers.values():
            server.files = FAULTS
            stack.enter_context(serving(server))
        print(json.dumps({name: server.server_port for name, server in servers.items()}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
