"""gevent and eventlet: what works outside a block works inside, is verified by it, and holds up no other greenlet."""

import contextlib
import socket
import threading

import pytest
from beside import outcomes
from servers import BODY, write_ca

pytestmark = pytest.mark.timeout(120)

PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()\n",
    "eventlet": "import eventlet; eventlet.monkey_patch()\n",
}
# httpcore would import trio, which does not go with eventlet at all.
WITHOUT_TRIO = {"gevent": "", "eventlet": "sys.modules['trio'] = None\n"}
WHEN = {
    "before our import": "{patch}import trusted_context\n",
    "after our import": "import trusted_context\n{patch}",
    "after a block": "import trusted_context\nwith trusted_context.trusted_context(): pass\n{patch}",
    "inside a block": (
        "from trusted_context import trusted_context\nblock = trusted_context().start()\n{patch}block.stop()\n"
    ),
}
FETCH = {
    "urllib": "import urllib.request\nin_turn(lambda: urllib.request.urlopen(URL, timeout=20).read())\n",
    "requests": "import requests\nin_turn(lambda: requests.get(URL, timeout=20).content)\n",
    "httpx": "import httpx\nin_turn(lambda: httpx.get(URL, timeout=20).content)\n",
    "a default context": (
        "import socket, ssl\n"
        "from urllib.parse import urlsplit\n"
        "def call():\n"
        "    raw = socket.create_connection(('127.0.0.1', urlsplit(URL).port), 20)\n"
        "    made = ssl.create_default_context().wrap_socket(raw, server_hostname='localhost')\n"
        "    made.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
        "    return made.makefile('rb').read().partition(b'\\r\\n\\r\\n')[2]\n"
        "in_turn(call)\n"
    ),
    "a context chosen": (
        "import ssl, urllib.request\n"
        "chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "chosen.load_verify_locations(cadata=open(OTHER).read())\n"
        "in_turn(lambda: urllib.request.urlopen(URL, timeout=20, context=chosen).read())\n"
    ),
}
COVERED = {"outside": str(BODY), "inside": str(BODY), "other": "refused", "after": str(BODY), "warnings": []}
PINNED = dict.fromkeys(("outside", "inside", "other", "after"), "refused") | {"warnings": []}


@pytest.fixture
def places(server, ca_file, other_ca, tmp_path):
    return server.url, ca_file, write_ca(other_ca, tmp_path / "other.pem")


@pytest.mark.parametrize("client", FETCH)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("library", PATCH)
def test_clients_of_a_patched_process_are_covered(library, when, client, places):
    """Whenever the process is patched, the block verifies what nobody chose, and what was chosen stays."""
    program = WITHOUT_TRIO[library] + WHEN[when].format(patch=PATCH[library]) + FETCH[client]
    needs = [library] + [client] * (client in {"requests", "httpx"})
    assert outcomes(program, *places, needs=needs) == (PINNED if "chosen" in client else COVERED)


SWITCHING = """\
import time, socket, ssl, threading
from urllib.parse import urlsplit
from trusted_context import trusted_context
PORT = urlsplit(URL).port
def handshake():
    raw = socket.create_connection(("127.0.0.1", PORT), 20)
    try:
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    except OSError as error:
        return type(error).__name__
def count():
    while not done:
        ticks.append(1)
        time.sleep(0.01)
ticks, done = [], []
with trusted_context():
    thread = threading.Thread(target=count)
    thread.start()
    ended = handshake()
    attempt("other greenlets went on", lambda: (len(ticks) >= 10, ended))
    done.append(1)
    thread.join()
"""


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("library", PATCH)
def test_a_slow_handshake_holds_up_no_other_greenlet(library, when, places):
    """While a server is silent, the hub runs what else there is to run."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def hang_up_late():
            with contextlib.suppress(OSError):  # the library is not there, and nobody connects
                connection, _ = silent.accept()
                with connection:
                    threading.Event().wait(1)

        thread = threading.Thread(target=hang_up_late, daemon=True)
        thread.start()
        url = f"https://localhost:{silent.getsockname()[1]}/"
        seen = outcomes(WHEN[when].format(patch=PATCH[library]) + SWITCHING, url, *places[1:], needs=[library])
        thread.join(20)
    went_on = seen["other greenlets went on"]
    assert went_on.startswith("(True, ")
    assert "None" not in went_on


@pytest.mark.parametrize(("library", "module"), [("gevent", "gevent.ssl"), ("eventlet", "eventlet.green.ssl")])
def test_a_version_without_its_seam_is_left_alone_and_named_once(library, module, places):
    """Where its contexts have no method of their own, requests work as without a block, with one warning."""
    take_away = f"import {module}\ndel {module}.SSLContext.wrap_socket\n"
    seen = outcomes(take_away + FETCH["urllib"], *places, needs=[library])
    assert seen == COVERED | {"warnings": seen["warnings"]}
    assert [warning.partition(" ")[0] for warning in seen["warnings"]] == [library]
