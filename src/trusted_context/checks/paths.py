"""Where CAs are named and held on this machine: patterns of paths, and the files that match them."""

from __future__ import annotations

import glob
import itertools
import os
import re
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# What absolute patterns begin from: another folder where a test builds a machine of its own.
root = "/"
# Of a folder with more entries, and a pattern with more matches, only these are looked at.
MOST_ENTRIES = 1000
_MOST_MATCHES = 50
_CERTIFICATES = re.compile(r"[0-9a-f]{8}\.\d+|.+\.(?:pem|crt|cer|cert|der|p7b|p7c)", re.IGNORECASE)
# Debian's copy of Mozilla's CAs, which are in the system's bundle too; and servers' keys.
_PASSED_OVER = frozenset({"mozilla", "private"})


def files(patterns: Iterable[str]) -> Iterator[str]:
    """The regular files that match, each once; a pipe or a device is never opened."""
    known = set()
    for path in expand(patterns):
        identity = _identity(path, stat.S_ISREG)
        if identity and identity not in known:
            known.add(identity)
            yield path


def certificate_files(patterns: Iterable[str]) -> Iterator[str]:
    """The same, with the certificate files in the folders that match, and in their folders."""
    yield from certificates_at(expand(patterns))


def certificates_at(found: Iterable[str]) -> Iterator[str]:
    """The files at these paths, and the certificate files in the folders at them, each once."""
    known = set()
    for path in found:
        for file in _within(path, depth=2):
            identity = _identity(file, stat.S_ISREG)
            if identity and identity not in known:
                known.add(identity)
                yield file


def expand(patterns: Iterable[str]) -> Iterator[str]:
    """The paths that match *patterns* with ``~``, ``$NAME`` and ``*``, but for those whose variable is not set."""
    for pattern in patterns:
        path = os.path.abspath(os.path.expanduser(os.path.expandvars(pattern)))
        if "$" in path:
            continue
        if pattern.startswith("/") and root != "/":
            path = os.path.join(root, path.lstrip("/"))
        if "*" in pattern:
            yield from sorted(itertools.islice(glob.iglob(path), _MOST_MATCHES))
        else:
            yield path


def _within(path: str, depth: int) -> Iterator[str]:
    if not _identity(path, stat.S_ISDIR):
        yield path
        return
    try:
        names = sorted(itertools.islice((entry.name for entry in os.scandir(path)), MOST_ENTRIES))
    except OSError:
        return
    for name in names:
        inner = os.path.join(path, name)
        if _CERTIFICATES.fullmatch(name):
            yield inner
        elif depth and name not in _PASSED_OVER and not os.path.islink(inner) and os.path.isdir(inner):
            yield from _within(inner, depth - 1)


def _identity(path: str, is_of_kind: Callable[[int], bool]) -> tuple[int, int, str] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    # Windows has no inode numbers on every file system.
    name = "" if status.st_ino else os.path.realpath(path)
    return (status.st_dev, status.st_ino, name) if is_of_kind(status.st_mode) else None


# Where administrators, distributions and products put CAs: whose, and patterns.
HOLDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "the administrator's CAs; update-ca-certificates, run as root, puts it into the system's store",
        ("/usr/local/share/ca-certificates",),
    ),
    (
        "the administrator's CAs; update-ca-trust, run as root, puts it into the system's store",
        ("/etc/pki/ca-trust/source",),
    ),
    (
        "the administrator's CAs",
        (
            "/usr/share/pki/ca-trust-source",
            "/etc/ca-certificates/trust-source",
            "/usr/share/ca-certificates/trust-source",
            "/etc/pki/trust/anchors",
            "/usr/share/pki/trust/anchors",
            "/usr/share/ca-certificates",
            "/usr/local/share/certs",
        ),
    ),
    ("Zscaler", ("/opt/zscaler/cert", "/Library/Application Support/Zscaler/cert", "$ProgramData/Zscaler/cert")),
    (
        "Netskope",
        (
            "/opt/netskope/stagent/data/nscacert*.pem",
            "/Library/Application Support/Netskope/STAgent/data/nscacert*.pem",
            "$ProgramData/netskope/stagent/data/nscacert*.pem",
            "$ProgramData/Netskope/STAgent/download/nscacert*.pem",
        ),
    ),
    (
        "Cloudflare WARP",
        (
            "/var/lib/cloudflare-warp/installed_cert.pem",
            "/Library/Application Support/Cloudflare/installed_cert.pem",
            "$ProgramData/Cloudflare/installed_cert.pem",
        ),
    ),
    ("GlobalProtect", ("/opt/paloaltonetworks/globalprotect/*.cer", "/opt/paloaltonetworks/globalprotect/*.pem")),
    ("Cisco", ("~/.cisco/certificates/ca", "/opt/.cisco/certificates/ca")),
    ("mitmproxy", ("~/.mitmproxy/mitmproxy-ca-cert.pem",)),
    ("Proxyman", ("~/.proxyman/proxyman-ca.pem",)),
    ("Charles", ("~/Library/Application Support/Charles/ca", "~/.charles/ca")),
    (
        "mkcert",
        (
            "$CAROOT/rootCA.pem",
            "~/.local/share/mkcert/rootCA.pem",
            "~/Library/Application Support/mkcert/rootCA.pem",
            "$LOCALAPPDATA/mkcert/rootCA.pem",
        ),
    ),
    (
        "Caddy",
        (
            "~/.local/share/caddy/pki/authorities/local/root.crt",
            "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt",
        ),
    ),
    ("step", ("~/.step/certs/root_ca.crt",)),
    ("Docker", ("/etc/docker/certs.d", "~/.docker/certs.d", "$ProgramData/docker/certs.d", "/etc/containers/certs.d")),
    (
        "Kubernetes",
        (
            "/var/run/secrets/kubernetes.io/serviceaccount",
            "/run/secrets/kubernetes.io/serviceaccount",
            "/etc/kubernetes/pki/ca.crt",
            "~/.minikube/ca.crt",
        ),
    ),
    ("a mounted secret", ("/run/secrets",)),
    ("GitLab Runner", ("/etc/gitlab-runner/certs", "~/.gitlab-runner/certs")),
    (
        "the system's bundle",
        (
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/ssl/cert.pem",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl",
            "/etc/pki/tls/certs",
            "/usr/local/etc/openssl*/cert.pem",
            "/usr/local/etc/openssl*/certs",
            "/opt/homebrew/etc/openssl*/cert.pem",
            "/opt/homebrew/etc/ca-certificates/cert.pem",
            "/usr/local/etc/ca-certificates/cert.pem",
        ),
    ),
    (
        "conda's bundle",
        ("$CONDA_PREFIX/ssl/cacert.pem", "$CONDA_PREFIX/Library/ssl/cacert.pem", "$CONDA_ROOT/ssl/cacert.pem"),
    ),
)
