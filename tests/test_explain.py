"""explain(): each failure made to happen for real, told apart, and put into words that cure it."""

import concurrent.futures
import pickle
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from bad_certificates import CASES
from failing import CLIENTS, by_aiohttp, by_httpx, by_requests, by_urllib, by_urllib3, failure, failure_of
from material import public_bundle
from servers import BODY, NO_NAME, ConnectProxy, fetch, serving, verify_failure

import trusted_context as package
from trusted_context import Explanation, explain, trusted_context
from trusted_context.clients.downgrade import RefusedDowngradeError
from trusted_context.core import handshake
from trusted_context.explanations import anchors
from trusted_context.sources import stores

_FAILING = [name for name, case in CASES.items() if case.cause]
_SOUND = [name for name, case in CASES.items() if not case.cause]
_VERIFICATION = [name for name, case in CASES.items() if case.code]


# Told apart


@pytest.mark.parametrize("name", _FAILING)
def test_each_failure_is_told_apart(name, bad):
    """Every case has its own cause, OpenSSL's code where there is one, and names the host where it can be known."""
    port = bad[name]
    error = failure_of(port, timeout=0.3 if name == "stalled" else 5)
    explanation = explain(error)
    assert explanation.cause == port.case.cause
    if port.case.code:
        assert verify_failure(error).verify_code == port.case.code
        assert explanation.host == port.case.host
        assert explanation.happened.startswith(f"{port.case.host}: ")
        assert explanation.presented
        assert str(port.cafile) in explanation.trusted
    assert explanation.likely
    assert explanation.next


@pytest.mark.parametrize("name", _SOUND)
def test_what_is_sound_is_trusted(name, bad):
    """The cases that only look odd succeed, so that the others fail for the reason they are named after."""
    port = bad[name]
    with trusted_context(port.cafile):
        assert fetch(port.url) == BODY


def test_insecure_is_never_the_first_advice_and_then_for_that_host_alone(bad):
    """It stands last, where no CA file helps, and names the one host."""
    offered = 0
    for name in _FAILING:
        explanation = explain(failure_of(bad[name], timeout=0.3))
        before, found, after = explanation.next.partition("insecure")
        offered += bool(found)
        assert "insecure=True" not in str(explanation)
        assert "insecure" not in explanation.happened + explanation.likely
        if found:
            assert before.strip()
            assert after == '={"localhost"})'
    assert offered >= 3


@pytest.mark.parametrize("call", CLIENTS)
@pytest.mark.parametrize("name", ["known-interception", "expired", "wrong-host", "issuer-not-a-ca"])
def test_each_client_wraps_it_in_its_own_way(name, call, bad):
    """The failure, its host and its chain are found in whatever a client raises, blocking or asynchronous."""
    port = bad[name]
    explanation = explain(failure_of(port, call))
    assert (explanation.cause, explanation.host) == (port.case.cause, port.case.host)
    assert "localhost" in explanation.presented or "elsewhere" in explanation.presented


@pytest.mark.parametrize("call", CLIENTS[:-1])
@pytest.mark.parametrize("name", ["plain-http", "tls-v1-0", "hang-up"])
def test_each_client_wraps_what_is_no_verification(name, call, bad):
    """What failed before there was a certificate is told by every client's error."""
    port = bad[name]
    assert explain(failure_of(port, call)).cause == port.case.cause


# Proxies, names and ports


def test_a_proxys_407_is_told_from_tls(bad, monkeypatch):
    """A missing password is no matter of certificates, and no password stands in the words."""
    proxy = ConnectProxy("user:right")
    monkeypatch.setenv("no_proxy", "")
    with serving(proxy):
        monkeypatch.setenv("https_proxy", f"http://user:S3CRET@localhost:{proxy.server_address[1]}")
        for call in (by_urllib, by_requests, by_httpx):
            explanation = explain(failure_of(bad["sound"], call))
            assert explanation.cause == "proxy-authentication"
            assert "S3CRET" not in str(explanation)
            assert "percent-encoded" in explanation.next


def test_an_https_proxy_address_for_a_plain_proxy_is_told(bad, monkeypatch):
    """requests speaks TLS to a proxy named with https://; where that does not, the variable is to blame."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"https://user:S3CRET@localhost:{bad['plain-http'].number}")
    explanation = explain(failure_of(bad["sound"], by_requests))
    assert explanation.cause == "proxy-not-tls"
    assert "https_proxy" in explanation.next
    assert "S3CRET" not in str(explanation)


@pytest.mark.parametrize("call", [by_urllib, by_urllib3, by_requests, by_httpx, by_aiohttp])
def test_a_refused_connection_and_an_unknown_name(call, ca_file):
    """Neither has to do with certificates."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with trusted_context(ca_file):
        assert explain(failure(call, f"https://127.0.0.1:{port}/")).cause == "refused"
        assert explain(failure(call, f"https://{NO_NAME}/")).cause == "dns"


def test_a_refused_downgrade_is_explained_by_the_first_failure(bad, plain_server):
    """The refusal carries what failed first, which is what there is to cure; without TLS in it, it is named itself."""
    port = bad["expired"]
    with trusted_context(port.cafile):
        failure(fetch, port.url)
        error = failure(fetch, port.url.replace("https:", "http:"))
    assert explain(error).cause == "expired"
    alone = RefusedDowngradeError("refused to fetch from x.test over plain http what failed")
    assert explain(alone).cause == "refused-downgrade"


# Wherever it is


def test_it_is_found_wherever_an_exception_keeps_another(bad):
    """As cause, as context, suppressed, as an argument, as an attribute, in groups, and in loops of these."""
    error = failure_of(bad["expired"])
    wrapped = [RuntimeError("x") for _ in range(6)]
    wrapped[0].__cause__ = error
    wrapped[1].__context__ = error
    wrapped[2].__context__, wrapped[2].__suppress_context__ = error, True
    wrapped[3].args = ("x", error)
    wrapped[4].kept = error
    wrapped[5] = ExceptionGroup("x", [KeyError(1), ExceptionGroup("y", [wrapped[0]])])
    for one in wrapped:
        assert explain(one).cause == "expired"
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__context__, second.__context__ = second, first
    assert explain(first) is None
    second.__cause__ = error
    assert explain(first).cause == "expired"


def test_a_long_chain_and_a_wide_group_are_walked_in_bounded_time(bad):
    """Only so many exceptions are looked at."""
    first = last = RuntimeError("x")
    for _ in range(10_000):
        last.__cause__ = RuntimeError("x")
        last = last.__cause__
    last.__cause__ = failure_of(bad["expired"])
    assert explain(first) is None
    assert explain(ExceptionGroup("x", [KeyError(1)] * 10_000)) is None


def test_the_text_alone_is_enough(bad):
    """torchvision's MNIST keeps the text of what it caught: the cause, host and chain are known all the same."""
    port = bad["known-interception"]
    text = f"Error downloading x.gz:\nTried {port.url}, got:\n{failure_of(port)}\n"
    explanation = explain(RuntimeError(text))
    assert (explanation.cause, explanation.host) == ("inspected", "localhost")
    assert "Zscaler" in explanation.presented


def test_a_text_that_two_hosts_could_have_left_names_neither(bad):
    """Where the same words came of two hosts' failures, nothing is said of what either presented."""
    port = bad["known-interception"]
    with trusted_context(port.cafile):
        text = str(failure(fetch, port.url))
        assert text == str(failure(fetch, port.url.replace("localhost", "127.0.0.1")))
    explanation = explain(RuntimeError(text))
    assert (explanation.cause, explanation.host, explanation.presented) == ("unknown-root", None, "")
    assert explain(RuntimeError(f"{text} from 127.0.0.1")).host == "127.0.0.1"


@pytest.mark.parametrize("named", ["https://other.test/x", "HTTPSConnectionPool(host='other.test', port=443)"])
def test_a_text_that_names_another_host_is_not_explained_by_what_this_one_presented(named, bad):
    """OpenSSL's words are the same for every host: those of a child's failure are not taken for an earlier one here."""
    handshake._recent.clear()
    text = f"{named}: {failure_of(bad['known-interception'])}"
    explanation = explain(RuntimeError(text))
    assert (explanation.cause, explanation.presented) == ("unknown-root", "")
    assert "localhost" not in str(explanation)


def test_whatever_an_error_holds_as_its_status_is_no_407():
    """Arrays, which answer a comparison with another array, are compared with nothing."""

    class Array:
        __hash__ = None

        def __eq__(self, _other):
            raise ValueError

    error = urllib.error.URLError(ConnectionRefusedError())
    error.code = error.status = Array()
    assert explain(error).cause == "refused"


@pytest.mark.parametrize("name", _VERIFICATION)
def test_openssls_words_alone_give_the_code(name, bad):
    """In a text from another process nothing but the words is left, and the cause is still one of its code."""
    error = verify_failure(failure_of(bad[name]))
    text = str(error).replace("(_ssl.c:", "(elsewhere.c:")
    explanation = explain(RuntimeError(f"a worker said: {text}"))
    kinds = {19: {"unknown-root"}, 20: {"unknown-issuer"}, 7: {"unverified"}, 10: {"expired"}, 62: {"wrong-host"}}
    assert explanation.cause in kinds.get(error.verify_code, {bad[name].case.cause})
    assert explanation.presented == ""
    assert explanation.trusted == ""


def test_the_words_of_older_versions_are_known():
    """OpenSSL 1.1.1 wrote some of them otherwise."""
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    assert explain(OSError(f"{said}self signed certificate in certificate chain (_ssl.c:1131)")).cause == "unknown-root"
    assert explain(OSError(f"{said}unsupported certificate purpose (_ssl.c:1131)")).cause == "wrong-purpose"


def test_what_is_no_failure_to_connect_has_no_explanation():
    """Other errors, also an unrelated OSError, give None; what is no exception is a TypeError."""
    for error in (KeyError("x"), FileNotFoundError(2, "x"), ValueError("certificate"), KeyboardInterrupt()):
        assert explain(error) is None
    with pytest.raises(TypeError, match="not str"):
        explain("CERTIFICATE_VERIFY_FAILED")


def test_it_survives_the_way_back_from_a_worker_process(bad):
    """A pickled error still has its chain."""
    error = pickle.loads(pickle.dumps(verify_failure(failure_of(bad["known-interception"]))))
    explanation = explain(error)
    assert explanation.cause == "inspected"
    assert "Zscaler Root CA" in explanation.presented


def test_threads_explain_at_the_same_time(bad):
    """Sixteen threads fail and explain at once, each its own failure."""
    names = ["expired", "self-signed", "wrong-host", "untrusted-root"] * 4
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        causes = list(pool.map(lambda name: explain(failure_of(bad[name])).cause, names))
    assert causes == [CASES[name].cause for name in names]


def test_explaining_opens_no_connection(bad):
    """Nothing is asked of the server again, and it was sent no application data."""
    port = bad["unknown-issuer"]
    accepted, received = port.accepted, port.received
    error = failure_of(port)
    for _ in range(3):
        str(explain(error))
    assert (port.accepted, port.received) == (accepted + 1, received)


def test_what_cannot_be_read_of_a_chain_does_not_stand_in_the_way(bad, monkeypatch):
    """An interpreter that gives no chain, or another fault in reading it, leaves the failure as it is."""

    def broken(_connection):
        raise AttributeError("get_unverified_chain")

    monkeypatch.setattr(handshake, "read_chain", broken)
    port = bad["known-interception"]
    error = failure_of(port)
    assert isinstance(error, urllib.error.URLError)
    assert verify_failure(error).verify_code == 19
    with trusted_context(port.cafile):  # which is still known to be the context's that failed
        assert explain(error).cause == "unknown-root"


def test_an_error_that_comes_back_without_what_it_was_verified_by(bad):
    """A pickled one takes no large store along: what was presented is told then, and nothing of what was trusted."""
    context = trusted_context(public_bundle()).ssl_context()
    error = failure(fetch, bad["unknown-issuer"].url, context=context).reason
    assert explain(error).trusted.endswith(" certificates")
    back = explain(pickle.loads(pickle.dumps(error)))
    assert (back.cause, back.trusted) == ("unknown-issuer", "")
    assert back.presented == explain(error).presented
    assert "trusted    " not in str(back)


def test_an_unusable_store_does_not_stand_in_the_way(bad, monkeypatch):
    """What cannot be looked into is not offered, and the rest is said."""

    def broken():
        raise OSError("no store")

    monkeypatch.setattr(stores, "system_store", broken)
    monkeypatch.setattr(stores, "certifi_store", broken)
    explanation = explain(failure_of(bad["unknown-issuer"]))
    assert explanation.cause == "unknown-issuer"
    assert not anchors.system_may_know(None)


def test_the_public_names_come_when_they_are_asked_for():
    """``explain`` and ``Explanation`` are listed, and imported at their first use only."""
    code = (
        "import sys, trusted_context as package\n"
        "assert {'explain', 'Explanation'} <= set(dir(package)) & set(package.__all__)\n"
        "assert not any('_explain' in name for name in sys.modules)\n"
        "from trusted_context import *\n"
        "print(explain(KeyError(1)), package.explain is explain, Explanation.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.split() == ["None", "True", "trusted_context"]
    assert package.Explanation is Explanation
    with pytest.raises(AttributeError, match="no attribute 'explanation'"):
        package.explanation  # noqa: B018
