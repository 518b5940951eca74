"""Connections that programs make by hand, with Python's own ssl and asyncio."""

import asyncio
import socket


def connect(port, context, *, name="localhost"):
    """A TLS socket by hand, as libraries make theirs."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


def ask(connection, path="/"):
    """The answer to a request over *connection*."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while data := connection.recv(65536):
        answer += data
    return answer.partition(b"\r\n\r\n")[2]


def get(port, context, **kwargs):
    """The body at the port, over a connection of *context*."""
    with connect(port, context, **kwargs) as connection:
        return ask(connection)


async def get_async(port, context):
    """The same over asyncio's streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]
