"""A program without free file descriptors, run by test_exhausted.py in a process of its own: it prints what it saw.

Usage: exhausting.py SCENE CA_FILE FOLDER URL
"""

import contextlib
import os
import resource
import socket
import ssl
import sys
import traceback
import urllib.request

from trusted_context import current, explain, trusted_context
from trusted_context.core import live

_LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)


@contextlib.contextmanager
def left(number):
    """For the time of the ``with`` this process can open that many descriptors."""
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened) + 1, _LIMITS[1]))
    for descriptor in opened[len(opened) - number :]:
        os.close(descriptor)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, _LIMITS)
        for descriptor in opened[: len(opened) - number]:
            os.close(descriptor)


def outcome(url):
    """'ok', or the name of what fetching the URL ended in."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            response.read()
    except OSError as error:
        return type(error.reason).__name__
    return "ok"


def entered(make):
    """What a block trusts, or the error of entering it; and whether anything of it is left."""
    before = dict(os.environ)
    try:
        with make() as block:
            told = block.describe()
    except Exception as error:  # noqa: BLE001  # told by its kind
        told = f"{type(error).__name__} {'ulimit -n' in str(error)}"
    return told, live.anything_live() or dict(os.environ) != before


def in_child(function, *args):
    """Print what *function* returns in a forked child, which has what this process has not imported yet to import."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            print(repr(function(*args)), flush=True)
        except BaseException:  # noqa: BLE001  # a child's error is told by its output
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)


def enter(ca_file, folder, _url):
    """In each block, with as many descriptors left: what it came to, and what the next entry did."""
    with open(ca_file, encoding="ascii") as file:
        text = file.read()
    blocks = {
        "file": lambda: trusted_context(ca_file),
        "folder": lambda: trusted_context(folder),
        "several files": lambda: trusted_context([ca_file, folder], export=True),
        "text": lambda: trusted_context(text, export=True),
        "default": trusted_context,
        "system": lambda: trusted_context(system=True),
    }

    def enter_one(make, number):
        usual = entered(make) if number % 2 else None  # else all is still to be imported
        with left(number // 2):
            first = entered(make)
        return first, entered(make), usual

    for name, make in blocks.items():
        for number in range(8):
            print(name, end="\t")
            in_child(enter_one, make, number)


def leave(ca_file, _folder, url):
    """Downloads that fail, for want of descriptors or of the right CA, leave the block, and all is as it was."""
    before = urllib.request._opener
    other = os.path.join(os.path.dirname(ca_file), "other.pem")
    for trust, further in ((ca_file, socket.socket), (other, contextlib.nullcontext)):
        with left(1):
            try:
                with trusted_context(trust), further():
                    urllib.request.urlopen(url, timeout=20)
            except OSError as error:
                print(type(error.reason).__name__)
                explain(error)
        print(current(), live.anything_live(), urllib.request._opener is before)
    with trusted_context(ca_file):
        print(outcome(url))


def connect(ca_file, _folder, url):
    """A context with default trust is covered after a connection for which its defaults could not be read."""
    os.environ["SSL_CERT_FILE"] = os.path.join(os.path.dirname(ca_file), "other.pem")
    context = ssl.create_default_context()
    port = int(url.rpartition(":")[2].strip("/"))
    with trusted_context(ca_file):
        for number in (0, 9):
            with socket.create_connection(("localhost", port)) as connection, left(number):
                try:
                    context.wrap_socket(connection, server_hostname="localhost").close()
                except OSError as error:
                    print(error.errno)
                else:
                    print("ok")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
