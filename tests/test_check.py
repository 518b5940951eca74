"""check(): each way in which a connection can fail is found, and the line of code that it gives is the cure."""

import dataclasses
import json
import os
import socket
import ssl
import subprocess
import sys

import pytest
from bad_certificates import CASES
from checking import code, flat, run_line, small_machine, steps, verdicts
from material import make_ca, make_server
from servers import BODY, Server, serving, write_ca

import trusted_context as package
from trusted_context import InsecureWarning, Report, check, trusted_context
from trusted_context.checks import probe
from trusted_context.sources import environment, stores

# What is wrong with these is the same for whoever trusts the server.
_TRUSTED_ALL_THE_SAME = {None, "strict", "client-certificate"}


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.cause not in (None, "strict")])
def test_each_failure_is_told_apart(bad, name):
    """The cause is the one that an exception's explanation names, nothing is verified, and no request is sent."""
    before = bad[name].received
    report = check(bad[name].url, bad[name].cafile, timeout=0.6 if name == "stalled" else 10)
    # Asked for a client certificate, a client of TLS 1.2 sees a failed handshake; a check saw the request before it.
    expected = {"client-cert-missing-1-2": "client-certificate", "legacy-renegotiation": "old-renegotiation"}
    assert report.cause == expected.get(name, CASES[name].cause)
    # A common name is enough for OpenSSL and so for urllib, though not for urllib3.
    assert report.works == (name in ("client-cert-missing", "common-name-only"))
    assert (report.line is not None) == report.works
    assert bad[name].received == before
    kinds = {one["tool"] for one in report.as_dict()["advice"]}
    assert "python" in kinds if report.works else kinds <= {"IT", "save-cert"}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.cause in (None, "strict")])
def test_the_line_is_the_cure(bad, name):
    """Where a CA file verifies the server, the last lines are what to paste, and do what they say."""
    report = check(bad[name].url, bad[name].cafile)
    assert report.works
    assert report.line == f"with trusted_context(cafile={str(bad[name].cafile)!r}):"
    assert str(report).endswith(f"\n# in Python\n{code(report)}")
    assert run_line(report, bad[name].url) == BODY
    assert verdicts(report) == {"cafile": True, "system": False, "certifi": False}
    verdict = report.as_dict()["verdicts"][0]
    assert verdict["works_strictly"] == (CASES[name].cause is None)


@pytest.mark.parametrize("place", ["system", "certifi"])
def test_the_stores_of_the_machine(server, ca, machine, place):
    """A CA that only the system's store or only certifi has gives the line that trusts just that."""
    write_ca(ca, getattr(machine, place))
    report = check(server.url)
    line = {"system": "with trusted_context(system=True):", "certifi": "with trusted_context(cafile=certifi.where()):"}
    assert report.line == line[place]
    assert verdicts(report) == {"system": place == "system", "certifi": place == "certifi"}
    assert ("import certifi" in str(report)) == (place == "certifi")
    assert run_line(report, server.url) == BODY


def test_an_empty_system_store(server, ca, machine):
    """With no CA in the system's store, a block goes by certifi of its own accord, and the lack is told."""
    machine.system.write_text("")
    write_ca(ca, machine.certifi)
    report = check(server.url)
    assert report.line == "with trusted_context():"
    assert "install the package ca-certificates" in flat(report)
    assert run_line(report, server.url) == BODY


def test_all_of_them_verify_it(server, ca, machine):
    """Where nothing refuses the server, the failure is to be looked for elsewhere."""
    write_ca(ca, machine.system)
    write_ca(ca, machine.certifi)
    report = check(server.url)
    assert report.works
    assert report.cause is None
    assert "has another reason" in flat(report)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_a_variable_that_names_the_right_bundle(server, ca_file, monkeypatch, variable):
    """What a block goes by on its own needs no argument."""
    monkeypatch.setenv(variable, str(ca_file))
    report = check(server.url)
    assert report.line == "with trusted_context():"
    assert f"{variable}={ca_file}: 1 certificate (what trusted_context() goes by)" in flat(report)
    assert run_line(report, server.url) == BODY


def test_a_weaker_variable_that_is_right(server, ca_file, other_file, monkeypatch):
    """Where the variable that decides names other CAs, the line names the file of the one that is right."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other_file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(ca_file))
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(ca_file)!r}):"
    assert run_line(report, server.url) == BODY


def test_a_folder_that_is_gone_is_no_part_of_the_line(server, ca, other_file, tmp_path, monkeypatch):
    """SSL_CERT_DIR is a list, in which a missing folder is passed over; given as cafile it would be an error."""
    folder = tmp_path / "folder"
    folder.mkdir()
    write_ca(ca, folder / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other_file))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "gone"), str(folder), ""]))
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(folder)!r}):"
    assert run_line(report, server.url) == BODY


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (None, "No such file or directory"),
        ("", "is empty"),
        ("<html>log in</html>", "is an HTML page"),
        ("-----BEGIN CERTIFICATE-----", "is cut short"),
    ],
)
def test_a_variable_that_names_nothing_usable(  # noqa: PLR0913, PLR0917  # fixtures
    server, ca, machine, tmp_path, monkeypatch, content, finding
):
    """It is told with the words of the error that a block would raise, and what works beside it is found."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    write_ca(ca, machine.system)
    report = check(server.url)
    (found,) = [one for one in report.as_dict()["variables"] if one["name"] == "SSL_CERT_FILE"]
    assert finding in found["finding"]
    assert (found["usable"], found["decides"]) == (False, True)
    assert report.line == "with trusted_context(system=True):"
    assert verdicts(report)["environment"] is False
    assert report.cause == "unusable-variable"
    assert "correct the variable, or unset it" in flat(report)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_variable_that_names_a_pipe_does_not_hang(server, tmp_path, monkeypatch):
    """To open a pipe would wait for its other end."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pipe"))
    report = check(server.url, timeout=5)
    assert "is a pipe or a device" in flat(report)
    assert verdicts(report)["environment"] is False


def test_variables_of_other_programs(server, ca_file, monkeypatch):
    """They are reported too, though a block does not go by them; unset ones are in the data alone."""
    monkeypatch.setenv("PIP_CERT", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", "")
    report = check(server.url)
    found = {one["name"]: one for one in report.as_dict()["variables"]}
    assert (found["PIP_CERT"]["usable"], found["PIP_CERT"]["decides"]) == (True, False)
    assert (found["SSL_CERT_DIR"]["value"], found["SSL_CERT_DIR"]["finding"]) == (None, "not set")
    assert list(found) == list(environment.VARIABLES)
    assert "SSL_CERT_DIR" not in str(report)


def test_an_exporting_block_s_own_variables_are_not_the_user_s(server, ca_file):
    """What a live block exported says nothing of how the machine is set up."""
    with trusted_context(ca_file, export=True):
        assert not any(one["value"] for one in check(server.url).as_dict()["variables"])


@pytest.mark.parametrize(("days", "is_old"), [(10, False), (400, True)])
def test_an_old_certifi_is_told_with_the_command_that_renews_it(server, machine, days, is_old):
    """CAs come and go: a bundle of over a year is worth a line."""
    machine.set_version_of_certifi(days)
    report = check(server.url)
    assert ("python -m pip install --upgrade certifi" in flat(report)) == is_old
    assert abs(report.as_dict()["certifi"]["age_in_days"] - days) <= 1


def test_the_same_report_whatever_this_process_was_made_to_trust(server, ca, ca_file, other_file, monkeypatch):
    """Neither a live block, an insecure one included, nor a pasted unverified default makes a difference."""

    def found():
        findings = check(server.url, other_file).as_dict()
        return {name: value for name, value in findings.items() if name != "machine"}

    before = found()
    assert before["works"] is False
    with trusted_context(ca_file):
        assert found() == before
    with pytest.warns(InsecureWarning), trusted_context(insecure=True):
        assert found() == before
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    assert found() == before


def test_an_ipv6_address(ca, ca_file):
    """In brackets, as in a URL."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")

    class Six(Server):
        address_family = socket.AF_INET6

        def server_bind(self):
            self.server_address = ("::1", 0)
            super().server_bind()

    with serving(Six(ca.issue_cert("::1"))) as six:
        report = check(f"https://[::1]:{six.server_port}/", ca_file)
        assert report.works
        assert f"[::1]:{six.server_port}" in str(report)


def test_a_host_with_several_addresses(server, ca_file, monkeypatch):
    """The first that answers is used. (The name server is a double: no name has two addresses on every machine.)"""
    closed = socket.create_server(("127.0.0.1", 0))
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in
                 (closed.getsockname()[1], server.server_port)]  # fmt: skip
    closed.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: addresses)
    assert check(server.url, ca_file).works


def test_an_address_of_a_family_that_this_machine_has_not(server, ca_file, monkeypatch):
    """It is passed over for the next. (The name server is a double, and says so of a machine without IPv6.)"""
    unknown, known = ((family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port))
                      for family in (9999, socket.AF_INET))  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: [unknown, known])
    assert check(server.url, ca_file).works


def test_a_name_that_does_not_exist(monkeypatch):
    """It is not reached, and a browser's proxy is hinted at. (The answer is ours, since a name server is not here.)"""

    def resolve(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    report = check("https://name.invalid/")
    assert not report.works
    assert steps(report) == {"lookup": "failed"}
    assert report.cause == "dns"


def test_strictness_is_tried_where_the_rest_works(tmp_path):
    """A CA that Python 3.13 refuses by default is told with OpenSSL's words."""
    ca = make_ca("Sloppy", critical=False)
    path = tmp_path / "sloppy.pem"
    path.write_bytes(ca.pem)
    with serving(Server(make_server(ca))) as running:
        report = check(running.url, path)
    assert report.works
    assert "strictness refuses it: Basic Constraints of CA cert not marked critical" in flat(report)


def test_equal_trust_is_tried_once(ca, ca_file, monkeypatch):
    """The variable and the argument name one file: looking, that file, strictly, and two stores are five handshakes."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    # A server of its own: another may still have to accept what an interrupted test has left behind.
    with serving(Server(ca.issue_cert("localhost"))) as server:
        assert check(server.url, ca_file).works
        assert server.accepted == 1 + 5  # and the first connection, that only sees whether there is one


def test_a_native_store(server, ca, ca_file, machine):
    """On Windows and macOS the operating system's verdict is its own, without strictness.

    (Elsewhere truststore takes the part of the operating system, by what OpenSSL's own variable names.)
    """
    machine.patch.setattr(stores, "VERIFIES_NATIVELY", True)
    assert verdicts(check(server.url)) == {"system": False, "certifi": False}
    machine.patch.setenv("SSL_CERT_FILE", str(ca_file))
    machine.patch.setenv("REQUESTS_CA_BUNDLE", str(machine.certifi))
    report = check(server.url)
    assert report.line == "with trusted_context(system=True):"
    (verdict,) = [one for one in report.as_dict()["verdicts"] if one["trust"] == "system"]
    assert (verdict["works"], verdict["works_strictly"]) == (True, None)
    assert report.as_dict()["system"]["native"] is True


def test_ctrl_c_in_the_middle_of_a_handshake_is_not_lost(server, monkeypatch):
    """Raised in a function that OpenSSL calls, it is no more than the context of another error there."""

    class Interrupting:
        times = 0

        def __eq__(self, other):
            Interrupting.times += 1
            if Interrupting.times == 1:
                raise KeyboardInterrupt
            return False

        __hash__ = None

    monkeypatch.setattr(probe, "_HANDSHAKE_RECORD", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        check(server.url, timeout=2)


def test_the_package_brings_it_when_asked(tmp_path):
    """It is listed and importable, and importing the package does not import it."""
    assert {"check", "Report"} <= set(dir(package)) & set(package.__all__)
    assert package.Report is Report
    code = "import sys, trusted_context; print('trusted_context.checks' in sys.modules); from trusted_context import *"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(check)"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False\n<function check")
    with pytest.raises(AttributeError, match="no attribute 'probe'"):
        package.probe  # noqa: B018


def test_the_data_is_the_reader_s_own(server):
    """Changing what as_dict() gave changes no report; JSON holds the same."""
    report = check(server.url)
    found = report.as_dict()
    assert json.loads(report.to_json()) == found
    found["chain"].clear()
    assert report.as_dict()["chain"]


def test_native_clients_are_listed_with_what_they_read(server, ca_file, tmp_path, monkeypatch):
    """Those that are installed, by their metadata: none is imported. (Doubles: the real ones are large.)"""
    for name, version in (("grpcio", "1.80"), ("polars", "1.40"), ("curl_cffi", "0.17"), ("requests-like", "1")):
        folder = tmp_path / "packages" / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    report = check(server.url, ca_file)
    listed = {one["name"]: one for one in report.as_dict()["clients"]}
    assert {"grpcio", "polars", "curl_cffi"} <= listed.keys()
    assert "requests-like" not in listed
    assert listed["grpcio"]["version"] == "1.80"
    assert "! not reached grpcio 1.80, by any block: it reads GRPC_DEFAULT_SSL_ROOTS_FILE_PATH once" in flat(report)
    assert "polars" not in sys.modules


def test_the_document_has_a_format_number_and_every_finding(server, ca_file):
    """One place makes it, of the typed findings."""
    report = check(server.url, ca_file)
    found = report.as_dict()
    assert found["format"] == 2
    assert found.keys() == {"format", *(field.name for field in dataclasses.fields(report.findings))}
