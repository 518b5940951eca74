"""Python's own ssl under every client: whose trust is default is verified by the block, and nothing else changes."""

import asyncio
import contextlib
import ftplib
import gc
import http.client
import imaplib
import smtplib
import socket
import ssl
import sys
import threading
import urllib.parse
import urllib.request
import weakref

import certifi
import pytest
import trustme
from by_hand import connect, get, get_async
from material import hashed_name
from servers import (
    BODY,
    asking_for_certificates,
    fails,
    noting_protocols,
    serving,
)

from trusted_context import InsecureWarning, trusted_context
from trusted_context.core import probing

quiet = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@pytest.fixture
def port(server):
    return server.server_port


def _certifi():
    return ssl.create_default_context(cafile=certifi.where())


def _both():
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _data():
    with open(certifi.where(), encoding="utf-8") as file:
        return ssl.create_default_context(cadata=file.read())


DEFAULTS = {"system": ssl.create_default_context, "certifi": _certifi, "both": _both, "certifi's content": _data}


# --- property 32


@quiet
@pytest.mark.parametrize("moment", ["before", "inside"])
@pytest.mark.parametrize("make", DEFAULTS.values(), ids=DEFAULTS)
def test_connections_with_default_trust_are_verified_by_the_block(make, moment, port, ca_file, other_file):
    """By a CA file, by another one, and by nobody; as before it when it is over; blocking sockets and asyncio's."""
    context = make()
    fails(get, port, context)
    with trusted_context(ca_file):
        used = context if moment == "before" else make()
        assert get(port, used) == asyncio.run(get_async(port, used)) == BODY
        assert fails(get, port, used, name="elsewhere.test").verify_code == 62
    with trusted_context(other_file):
        fails(get, port, used)
    with trusted_context(insecure=True):
        assert get(port, used) == asyncio.run(get_async(port, used)) == get(port, used, name="elsewhere.test") == BODY
    with trusted_context(insecure={"elsewhere.test"}):
        assert get(port, used, name="elsewhere.test") == BODY
        fails(get, port, used)
    fails(get, port, used)


def _pinned(file):
    return ssl.create_default_context(cafile=file)


def _wider(file):
    context = ssl.create_default_context()
    context.load_verify_locations(file)
    return context


def _folder(file):
    folder = file.with_name(f"{file.stem}.folder")
    folder.mkdir(exist_ok=True)
    (folder / hashed_name(file)).write_bytes(file.read_bytes())
    return ssl.create_default_context(capath=folder)


PINS = {"file": _pinned, "file beside the default": _wider, "folder": _folder}


@quiet
@pytest.mark.parametrize("moment", ["before", "inside"])
@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
def test_connections_with_chosen_trust_are_untouched(pin, moment, port, ca_file, other_file):
    """A context with CAs of its own trusts those in every block, an insecure one included."""
    right, wrong = pin(ca_file), pin(other_file)
    for block in (trusted_context(ca_file), trusted_context(other_file), trusted_context(insecure=True)):
        with block:
            used = (right, wrong) if moment == "before" else (pin(ca_file), pin(other_file))
            assert get(port, used[0]) == BODY
            fails(get, port, used[1])


def test_a_context_that_verifies_nothing_and_a_servers_are_untouched(port, ca, other_file):
    """CERT_NONE is a choice; a server presents its certificate, and asks for its clients', as ever."""
    unverified = ssl._create_unverified_context()
    with trusted_context(other_file):
        assert get(port, unverified) == BODY
        with serving(asking_for_certificates(ca, ssl.CERT_REQUIRED)) as asking:
            presenting = ssl._create_unverified_context()
            ca.issue_cert("client@corp.test").configure_cert(presenting)
            assert get(asking.server_port, presenting) == b"client@corp.test"


def test_a_context_with_connections_of_its_own_making_is_untouched(port, ca_file):
    """wrap_socket() of an instance, or of a subclass, is a choice."""

    class Own(ssl.SSLContext):
        def wrap_socket(self, *args, **kwargs):
            return super().wrap_socket(*args, **kwargs)

    subclass = Own(ssl.PROTOCOL_TLS_CLIENT)
    subclass.load_default_certs()
    instance = ssl.create_default_context()
    instance.wrap_socket = instance.wrap_socket
    with trusted_context(ca_file):
        for context in (subclass, instance):
            fails(get, port, context)


def test_an_empty_context_is_untouched(port, ca_file):
    """What trusts nobody was made to trust nobody, or will be given CAs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with trusted_context(ca_file):
        fails(get, port, context)


# --- settings are their caller's


def test_settings_stay_their_callers(ca, server, port, ca_file):
    """Versions, ciphers, host name check, CRL check and ALPN hold, and the handshake alone has other anchors."""
    with trusted_context(ca_file):
        context = ssl.create_default_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM+AES256")
        with connect(port, context) as connection:
            assert connection.version() == "TLSv1.2"
            assert "AES256" in connection.cipher()[0]
        context.check_hostname = False
        assert get(port, context, name="elsewhere.test") == BODY
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        assert fails(get, port, context).verify_code == 3
        unlucky = ssl.create_default_context()
        unlucky.minimum_version = ssl.TLSVersion.TLSv1_3
        server.context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            with pytest.raises(ssl.SSLError, match=r"(?i)version"):
                get(port, unlucky)
        finally:
            server.context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED


@quiet
def test_alpn_stays_its_callers(ca, ca_file):
    """What a context offers is offered, set before the block or inside, verified or not."""
    before = ssl.create_default_context()
    before.set_alpn_protocols(["h2", "http/1.1"])
    with noting_protocols(ca) as (server, agreed):
        for block in (trusted_context(ca_file), trusted_context(insecure=True)):
            with block:
                get(server.server_port, before)
                inside = ssl.create_default_context()
                get(server.server_port, inside)
                inside.set_alpn_protocols(["http/1.1"])
                get(server.server_port, inside)
    assert agreed == ["h2", None, "http/1.1"] * 2


@quiet
@pytest.mark.parametrize("moment", ["before", "inside"])
def test_a_client_certificate_stays_its_callers(moment, ca, ca_file, other_file):
    """It is presented by connections of its context alone. Loaded before, its context is left alone, not stripped."""
    identity = ca.issue_cert("client@corp.test")
    plain = ssl.create_default_context()
    presenting = ssl.create_default_context()
    if moment == "before":
        identity.configure_cert(presenting)
    with serving(asking_for_certificates(ca)) as asking:
        with trusted_context(insecure=True):
            if moment == "inside":
                identity.configure_cert(presenting)
            assert get(asking.server_port, presenting) == b"client@corp.test"
            assert get(asking.server_port, plain) == b"nobody"
        with trusted_context(ca_file):
            if moment == "before":
                fails(get, asking.server_port, presenting)
            else:
                fresh = ssl.create_default_context()
                identity.private_key_and_cert_chain_pem.write_to_path(other_file.with_name("identity.pem"))
                fresh.load_cert_chain(other_file.with_name("identity.pem"))
                assert get(asking.server_port, fresh) == b"client@corp.test"
            assert get(asking.server_port, plain) == b"nobody"


def test_a_clients_key_goes_with_its_context(ca, ca_file, tmp_path):
    """Nothing of ours keeps a context that holds a client certificate, though the block goes on."""
    identity = tmp_path / "identity.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(identity)
    with serving(asking_for_certificates(ca)) as asking, trusted_context(ca_file):
        context = ssl.create_default_context()
        context.load_cert_chain(identity)
        assert get(asking.server_port, context) == b"client@corp.test"
        gone = weakref.ref(context)
        del context
        gc.collect()
        assert gone() is None


def test_a_strictness_that_is_pythons_default_gives_way(bad):
    """From Python 3.13 on a default context is strict; in a block it is only with strict=True, or with other flags."""
    port = bad["no-authority-key"]
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    with trusted_context(port.cafile):
        assert get(urllib.parse.urlsplit(port.url).port, ssl.create_default_context()) == BODY
        if sys.version_info >= (3, 13):
            assert get(urllib.parse.urlsplit(port.url).port, context) == BODY
        else:
            assert fails(get, urllib.parse.urlsplit(port.url).port, context).verify_code == 85
    with trusted_context(port.cafile, strict=True):
        assert fails(get, urllib.parse.urlsplit(port.url).port, ssl.create_default_context()).verify_code == 85


# --- the standard library's other clients


class _Lines(threading.Thread):
    """A server that speaks lines over TLS: a greeting, and an answer for each command."""

    def __init__(self, ca, greeting, answers):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.greeting, self.answers = greeting, answers

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, StopIteration), raw:
                raw.settimeout(20)
                self.speak(raw)

    def speak(self, raw):
        with self.context.wrap_socket(raw, server_side=True) as tls, tls.makefile("rwb") as lines:
            lines.write(self.greeting)
            lines.flush()
            for line in lines:
                tag, *_ = words = line.split()
                answer = next(self.answers[word.upper()] for word in words if word.upper() in self.answers)
                lines.write(answer.replace(b"TAG", tag))
                lines.flush()


@contextlib.contextmanager
def speaking(*args):
    server = _Lines(*args)
    server.start()
    try:
        yield server.port
    finally:
        with contextlib.suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits in accept()
        server.listener.close()
        server.join(10)


@pytest.mark.parametrize("protocol", ["smtplib", "imaplib"])
def test_mail_with_default_trust_is_verified_by_the_block(protocol, ca, ca_file, other_file):
    """smtplib and imaplib with the context that their manuals tell to pass: create_default_context()."""
    if protocol == "smtplib":
        spoken = (b"220 hi\r\n", {b"EHLO": b"250 hi\r\n", b"NOOP": b"250 ok\r\n", b"QUIT": b"221 bye\r\n"})
    else:
        answers = {b"CAPABILITY": b"* CAPABILITY IMAP4REV1\r\nTAG OK done\r\n", b"LOGOUT": b"* BYE\r\nTAG OK done\r\n"}
        spoken = (b"* OK hi\r\n", answers)

    def talk(port):
        context = ssl.create_default_context()
        if protocol == "smtplib":
            with smtplib.SMTP_SSL("localhost", port, timeout=20, context=context) as client:
                return client.noop()[0]
        client = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=20)
        client.logout()
        return 250

    with speaking(ca, *spoken) as port:
        with trusted_context(ca_file):
            assert talk(port) == 250
        with trusted_context(other_file):
            fails(talk, port)
        fails(talk, port)


def test_ftp_over_tls_has_no_trust_of_its_own_to_give_up(ca):
    """ftplib's default context verifies nothing, in a block as outside: give it a context."""
    assert ftplib.FTP_TLS().context.verify_mode == ssl.CERT_NONE


# --- what a context does not tell


def test_what_a_context_offers_and_presents_is_seen_and_left_as_it_is(ca):
    """ALPN, and whether there is a client certificate, of any kind of key; nothing is sent, and nothing changes."""
    for key_type in ("ECDSA", "RSA"):
        context = ssl.create_default_context()
        before = context.cert_store_stats(), context.session_stats()
        assert probing.alpn_protocols(context) == []
        assert not probing.has_client_certificate(context)
        context.set_alpn_protocols(["h2", "a-long-name", "http/1.1"])
        ca.issue_cert("client@corp.test", key_type=trustme.KeyType[key_type]).configure_cert(context)
        assert probing.alpn_protocols(context) == ["h2", "a-long-name", "http/1.1"]
        assert probing.has_client_certificate(context)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        assert probing.has_client_certificate(context)
        assert probing.alpn_protocols(context) == ["h2", "a-long-name", "http/1.1"]
        assert context.cert_store_stats() == before[0]


def test_an_insecure_port_is_believed_where_the_client_tells_it(ca, other_file, port, server):
    """insecure={"host:port"} is for exactly that port: http.client tells it, a socket wrapped by hand does not."""
    with pytest.warns(InsecureWarning), trusted_context(other_file, insecure={f"localhost:{port}"}):
        connection = http.client.HTTPSConnection("localhost", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == BODY
        connection.close()
        fails(get, port, ssl.create_default_context())
