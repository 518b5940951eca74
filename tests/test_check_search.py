"""check() looks for the CA on this machine, and ends with the lines that trust it from where it is."""

import os
import time

import pytest
from bad_certificates import inspector, issue
from checking import flat, run_line, shell_lines, small_machine
from issuing import in_version_1
from material import make_ca, make_server, to_der, to_pkcs7
from servers import BODY, Server, serving, write_ca

from trusted_context import check
from trusted_context.checks import names, search


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def found(report):
    """The verdicts on what was searched for."""
    return [one for one in report.as_dict()["verdicts"] if one["trust"] == "found"]


@pytest.mark.parametrize(
    "variable",
    ["PIP_CERT", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "CONDA_SSL_VERIFY",
     "HTTPLIB2_CA_CERTS", "NIX_SSL_CERT_FILE", "POETRY_CERTIFICATES_CORP_CERT"],
)  # fmt: skip
def test_a_variable_of_any_program_is_the_answer(server, ca_file, monkeypatch, variable):
    """Where PIP_CERT, or another program's variable, names the CA, the lines trust that file, and IT is not asked."""
    monkeypatch.setenv(variable, str(ca_file))
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(ca_file)!r}):"
    assert run_line(report, server.url) == BODY
    assert f"{variable}={ca_file}: 1 certificate" in flat(report)
    assert "ask IT" not in flat(report)


# Where a program's settings name a CA bundle: the file, and what stands in it beside other things.
SETTINGS = {
    "pip": ("~/.config/pip/pip.conf", "[global]\nindex-url = https://user:s3cr3t@corp/simple\ncert = {path}\n"),
    "pip-with-colon": ("/etc/pip.conf", "[install]\ncert: {path}\n"),
    "conda": ("~/.condarc", "channels:\n  - defaults\nssl_verify: {path}  # IT's\n"),
    "conda-quoted": ("/etc/conda/.condarc", "ssl_verify: '{path}'\n"),
    "git": ("~/.gitconfig", "[user]\n\tname = x\n[http]\n\tsslCAInfo = {path}\n"),
    "git-for-one-url": ("~/.config/git/config", '[http "https://s3cr3t@git.corp/"]\n\tsslcainfo = "{path}"\n'),
    "git-on-one-line": ("/etc/gitconfig", "[http] sslCAInfo = {path}\n"),
    "npm": ("~/.npmrc", "//registry.corp/:_authToken=s3cr3t\ncafile={path}\n"),
    "npm-for-one-registry": ("~/.npmrc", "//registry.corp/:cafile={path}\n"),
    "yarn": ("~/.yarnrc.yml", "httpsCaFilePath: {path}\n"),
    "curl": ("~/.curlrc", 'user = me:s3cr3t\ncacert = "{path}"\n'),
    "curl-with-dashes": ("~/.config/curlrc", "--cacert {path}\n"),
    "wget": ("~/.wgetrc", "http_password = s3cr3t\nca_certificate = {path}\n"),
    "wget-spelt-otherwise": ("/etc/wgetrc", "CACertificate={path}\n"),
    "poetry": ("~/.config/pypoetry/auth.toml", '[http-basic.corp]\npassword="s3cr3t"\n[certificates.x]\ncert="{path}"'),
    "cargo": ("~/.cargo/config.toml", '[http]\ncainfo = "{path}"\n'),
    "aws": ("~/.aws/config", "[profile x]\nca_bundle = {path}\n"),
    "gcloud": ("~/.config/gcloud/configurations/config_default", "[core]\ncustom_ca_certs_file = {path}\n"),
    "kubectl": ("~/.kube/config", "clusters:\n- cluster:\n    certificate-authority: {path}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_settings_file_is_the_answer(server, ca_file, machine, name):
    """Each program's own settings file is read, by its own form, and no other word of it is shown."""
    where, content = SETTINGS[name]
    file = machine.place(where, content.format(path=ca_file))
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(ca_file)!r}):"
    assert run_line(report, server.url) == BODY
    (setting,) = report.as_dict()["settings"]
    assert (setting["file"], setting["value"], setting["usable"]) == (str(file), str(ca_file), True)
    assert "s3cr3t" not in str(report) + report.to_json() + report._repr_html_()


def test_a_settings_file_that_names_nothing_usable(server, ca, machine):
    """It is told though the server is verified by other CAs: that program fails."""
    write_ca(ca, machine.system)
    file = machine.place("~/.condarc", "ssl_verify: /gone/corp.pem\n")
    machine.place("~/.gitconfig", "[http]\n\tsslVerify = true\n")
    machine.place("~/.config/pip/pip.conf", "[global]\ncert =\n")
    report = check(server.url)
    assert report.works
    assert f"FAIL setting conda ssl_verify=/gone/corp.pem in {file}: No such file or directory; correct it" in flat(
        report
    )
    assert len(report.as_dict()["settings"]) == 1
    assert report.as_dict()["searched"] is None


@pytest.mark.parametrize("value", ["true", "false", "truststore"])
def test_a_setting_that_is_a_switch_names_no_file(server, machine, value):
    """conda's ssl_verify may be one."""
    machine.place("~/.condarc", f"ssl_verify: {value}\n")
    machine.patch.setenv("CONDA_SSL_VERIFY", value)
    report = check(server.url)
    assert report.as_dict()["settings"] == []
    assert not any(one["name"] == "CONDA_SSL_VERIFY" for one in report.as_dict()["variables"])


# Where CAs are held: by administrators, distributions, products, containers.
PLACES = [
    "/usr/local/share/ca-certificates/corp/corp.crt",
    "/etc/pki/ca-trust/source/anchors/corp.pem",
    "/usr/share/pki/trust/anchors/corp.pem",
    "/etc/ssl/corp.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/docker/certs.d/registry.corp:5000/ca.crt",
    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    "/opt/netskope/stagent/data/nscacert.pem",
    "/Library/Application Support/Netskope/STAgent/data/nscacert.pem",
    "/var/lib/cloudflare-warp/installed_cert.pem",
    "/opt/zscaler/cert/ZscalerRootCA.crt",
    "~/.mitmproxy/mitmproxy-ca-cert.pem",
    "~/.local/share/mkcert/rootCA.pem",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_holds_cas_is_the_answer(server, pem, machine, place):
    """A CA file there verifies the server, and the lines trust that file."""
    file = machine.place(place, pem)
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(file)!r}):"
    assert run_line(report, server.url) == BODY
    assert "files that may hold CAs were read" in flat(report)


@pytest.mark.parametrize("convert", [to_der, to_pkcs7], ids=["DER", "PKCS#7"])
def test_a_ca_in_another_form_is_the_answer(server, pem, machine, convert):
    """A block reads it; curl and git, which do not, are not told to."""
    machine.place("/usr/local/share/ca-certificates/corp.crt", convert(pem))
    report = check(server.url)
    assert run_line(report, server.url) == BODY
    assert shell_lines(report).keys() == {"run"}


def test_the_home_directory_s_own_files_are_not_looked_at(server, pem, machine):
    """What was merely downloaded was put there for no trust."""
    machine.place("~/Downloads/corp.crt", pem)
    machine.place("~/corp.crt", pem)
    assert not check(server.url).works


def test_a_file_that_verifies_strictly_comes_first(machine):
    """Of two that verify the server the stricter one is the answer, wherever it was found; the other is told."""
    sloppy = issue("Corp CA", ca=True, organisation="Corp", critical=False)
    strict = issue("Corp CA", ca=True, organisation="Corp", key=sloppy.key)
    early = machine.place("/usr/local/share/ca-certificates/corp.crt", sloppy.pem)
    late = machine.place("~/.mitmproxy/mitmproxy-ca-cert.pem", strict.pem)
    with serving(Server(make_server(sloppy))) as server:
        report = check(server.url)
        assert run_line(report, server.url) == BODY
    assert [(one["line"], one["works"], one["works_strictly"]) for one in found(report)] == [
        (f"with trusted_context(cafile={str(late)!r}):", True, True),
        (f"with trusted_context(cafile={str(early)!r}):", True, False),
    ]


def test_a_file_that_verifies_comes_before_one_that_does_not(machine):
    """An old CA of the same name is told for what it is."""
    new, old = make_ca("Corp Root"), make_ca("Corp Root")
    machine.place("/usr/local/share/ca-certificates/old.crt", old.pem)
    right = machine.place("/etc/ssl/new.pem", new.pem)
    with serving(Server(make_server(new))) as server:
        report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(right)!r}):"
    assert [one["works"] for one in found(report)] == [True, False]


def test_the_same_ca_in_many_places_takes_one_trial(ca, pem, machine):
    """Places are told, handshakes are not repeated: whatever leads nowhere takes none."""
    for number in range(30):
        machine.place(f"/usr/local/share/ca-certificates/corp-{number}.crt", pem)
        machine.place(f"/usr/local/share/ca-certificates/other-{number}.crt", make_ca(f"Other {number}").pem)
    with serving(Server(ca.issue_cert("localhost"))) as server:
        report = check(server.url)
        # The first connection, the look, the system's store, certifi; what was found, and the same strictly.
        assert server.accepted == 6
    assert len(found(report)) == 1
    assert len(found(report)[0]["elsewhere"]) == 29
    assert flat(report).count(" also in ") == 3


def test_different_cas_of_one_name_take_a_bounded_number_of_trials(machine):
    """Each might be the one, and eight are tried."""
    stranger = make_ca("Corp Root")
    for number in range(20):
        machine.place(f"/etc/ssl/{number}.pem", make_ca("Corp Root").pem)
    with serving(Server(make_server(stranger))) as server:
        report = check(server.url)
        assert server.accepted <= 4 + 8
    assert not report.works
    assert len(found(report)) == 8


def test_an_intermediate_is_enough(machine):
    """Any certificate to which the chain leads may be the anchor, as in a block."""
    top = make_ca("Root")
    middle = make_ca("Middle", top)
    file = machine.place("/etc/ssl/middle.pem", middle.pem)
    with serving(Server(make_server(middle))) as server:
        report = check(server.url)
        assert report.line == f"with trusted_context(cafile={str(file)!r}):"
        assert run_line(report, server.url) == BODY


def test_a_self_signed_server_s_own_certificate_is_the_answer(machine):
    """A device's certificate that somebody put among the CAs."""
    leaf = make_server()
    machine.place("/etc/docker/certs.d/localhost/ca.crt", leaf.pem)
    with serving(Server(leaf)) as server:
        assert run_line(check(server.url), server.url) == BODY


def test_nothing_is_searched_where_another_ca_would_not_help(bad, pem, machine):
    """An expired certificate, a wrong host."""
    for name in ("expired", "wrong-host"):
        assert check(bad[name].url, bad[name].cafile).as_dict()["searched"] is None


def test_what_is_left_when_nothing_is_found_is_a_text_to_send(bad):
    """It names the host, the issuer, the fingerprint and the product."""
    report = check(bad["known-interception"].url)
    (advice,) = report.as_dict()["advice"]
    text = " ".join(" ".join(advice["lines"]).split())
    assert advice["where"] == "message"
    assert bad["known-interception"].url in text
    assert '"Zscaler Root CA"' in text
    assert "Zscaler's, which inspects" in text
    assert report.as_dict()["chain"][-1]["sha256"] in text
    assert "\n".join(advice["lines"]) in str(report)


def test_a_text_to_send_where_the_ca_was_not_presented(bad):
    """Then the fingerprint of what it signed is what IT can find it by."""
    report = check(bad["known-interception-unsent"].url)
    text = "\n".join(report.as_dict()["advice"][0]["lines"])
    assert (
        f"it signed the certificate with the SHA-256 fingerprint\n    {report.as_dict()['chain'][0]['sha256']}" in text
    )


@pytest.mark.parametrize("place", ["/etc/ssl/private/server.pem", "/usr/share/ca-certificates/mozilla/corp.crt"])
def test_folders_that_are_passed_over(server, pem, machine, place):
    """Servers' keys, and Mozilla's CAs, of which the system's bundle has those that are trusted."""
    machine.place(place, pem)
    assert not check(server.url).works


# Bounds


def test_the_search_is_bounded_in_files(server, pem, machine, monkeypatch):
    """It ends at the bound, and says so."""
    monkeypatch.setattr(search, "MOST_FILES", 3)
    for number in range(5):
        machine.place(f"/usr/local/share/ca-certificates/{number}.crt", make_ca(f"Other {number}").pem)
    machine.place("/usr/local/share/ca-certificates/corp.crt", pem)
    report = check(server.url)
    assert not report.works
    assert "3 files that may hold CAs were read; the bound of 3 files" in flat(report)


def test_the_search_is_bounded_in_time(server, pem, machine, monkeypatch):
    """A folder that answers nothing, as on a network drive whose server is gone, is left to itself."""
    machine.place("/usr/local/share/ca-certificates/corp.crt", pem)
    monkeypatch.setattr(search.paths, "certificate_files", lambda _: time.sleep(5) or ())
    monkeypatch.setattr(search, "MOST_SECONDS", 0.2)
    started = time.monotonic()
    report = check(server.url)
    assert time.monotonic() - started < 4
    assert "its time ended the search" in flat(report)


def test_a_file_that_is_too_large_is_not_read(server, pem, machine):
    """A data set beside the CAs."""
    file = machine.place("/usr/local/share/ca-certificates/data.pem", pem)
    os.truncate(file, 17 * 1024 * 1024)
    assert "0 files that may hold CAs were read" in flat(check(server.url))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_pipe_among_the_cas_does_not_hang(server, machine):
    """It is passed over, in folders and as a settings file."""
    machine.place("/usr/local/share/ca-certificates/corp.crt", "x").unlink()
    os.mkfifo(machine.root / "usr/local/share/ca-certificates/corp.crt")
    os.mkfifo(machine.home / ".condarc")
    started = time.monotonic()
    assert not check(server.url, timeout=5).works
    assert time.monotonic() - started < 4


def test_the_search_changes_nothing(server, pem, machine):
    """Every file and folder is as it was, with its times."""
    machine.place("/etc/ssl/corp.pem", pem)
    machine.place("~/.pki/nssdb/cert9.db", b"SQLite format 3\0 not really")
    before = {path: path.stat()[:9] for path in sorted(machine.root.parent.rglob("*"))}
    assert check(server.url).works
    after = {path: path.stat()[:9] for path in sorted(machine.root.parent.rglob("*"))}
    assert {path: status[:7] for path, status in after.items()} == {path: s[:7] for path, s in before.items()}


# Names


def test_names_are_compared_by_their_text():
    """RFC 5280, 7.1: neither case, nor spaces, nor the type of text make a difference; the words do."""
    ca = issue("Corp  Root", ca=True, organisation="CORP")
    same = issue("corp root", ca=True, organisation="Corp")
    leaf = issue("localhost", ca)
    assert names.leading_to([leaf.der], [same.der, ca.der, inspector().der]) == (same.der, ca.der)
    assert names.leading_to([leaf.der], [leaf.der]) == (leaf.der,)
    old = in_version_1(ca)
    assert names.leading_to([leaf.der], [old.der]) == (old.der,)


@pytest.mark.parametrize("damage", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x00", b"text"])
def test_what_is_no_certificate_has_no_names(damage):
    """Whatever was found in a file: nothing is raised."""
    assert names.issuer_and_subject(damage) is None
    assert names.issuer_and_subject(inspector().der[:100]) is None
