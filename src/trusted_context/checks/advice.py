"""The last lines of a report, each of which works as pasted: code, commands, or a message to send."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

from ..core.contexts import count_in
from ..core.hosts import authority
from . import names
from .findings import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.certificate import Certificate
    from .candidates import Candidate
    from .findings import Wanted

# A program of the user's, in the line that runs one unchanged.
PROGRAM = "download.py"
_IS_WINDOWS = os.name == "nt"


def for_trust(candidate: Candidate, url: str, chain: Sequence[Certificate]) -> tuple[Advice, ...]:
    """How to trust what *candidate* does, which verified *chain* of the server at *url*.

    In other tools, by ``run``, and in Python.
    """
    found = []
    # A control character in a path would steer the terminal; Python's repr escapes it, a shell's quotes do not.
    speakable = all(map(str.isprintable, (*(candidate.options or ()), candidate.file or "", candidate.export or "")))
    if candidate.export and speakable:
        found.append(Advice(where="shell", tool="export", lines=(candidate.export,)))
    if candidate.options is not None and speakable:
        found += [Advice(where="shell", tool=tool, lines=(line,)) for tool, line in _for_tools(candidate, url, chain)]
        command = join([*own_command(), "run", *candidate.options, PROGRAM])
        found.append(Advice(where="shell", tool="run", lines=(command,)))
    found.append(Advice(where="python", tool="python", lines=tuple(_block(candidate, url))))
    return tuple(found)


def _block(candidate: Candidate, url: str) -> Iterator[str]:
    yield "import urllib.request"
    if "certifi." in candidate.arguments:
        yield "import certifi"
    yield "from trusted_context import trusted_context"
    yield ""
    yield candidate.line
    yield f"    urllib.request.urlopen({url!r}).close()  # or any other download"


def _for_tools(candidate: Candidate, url: str, chain: Sequence[Certificate]) -> Iterator[tuple[str, str]]:
    if candidate.trust and candidate.trust.native:
        yield from _by_the_system()
        return
    file = candidate.file
    if not file or not (candidate.export or _is_enough(file, candidate, chain)):
        return
    yield "pip", join(["pip", "config", "set", "global.cert", file])
    yield "git", join(["git", "config", "--global", f"http.{url}.sslCAInfo", file])
    yield "conda", join(["conda", "config", "--set", "ssl_verify", file])
    yield (
        "uv",
        f'$env:SSL_CERT_FILE = "{file}"  # for uv'
        if _IS_WINDOWS
        else f"export SSL_CERT_FILE={shlex.quote(file)}  # for uv",
    )
    yield "npm", join(["npm", "config", "set", "cafile", file])
    yield "curl", join(["curl", "--cacert", file, url])


def _is_enough(file: str, candidate: Candidate, chain: Sequence[Certificate]) -> bool:
    """Whether *file* is PEM, which is all that these tools read, and the CA is in it, not in a folder beside it."""
    anchors = candidate.trust.anchors if candidate.trust else ()
    if not os.path.isfile(file) or count_in(file) != len(anchors):
        return False
    return bool(names.leading_to([certificate.der for certificate in chain], anchors))


def _by_the_system() -> Iterator[tuple[str, str]]:
    """How the tools that bring CAs of their own are told to use Windows' or macOS' store."""
    yield "pip", "python -m pip install --use-feature=truststore --upgrade pip"
    if _IS_WINDOWS:
        yield "git", "git config --global http.sslBackend schannel"
    yield "conda", "conda config --set ssl_verify truststore"
    yield "uv", '$env:UV_SYSTEM_CERTS = "true"' if _IS_WINDOWS else "export UV_SYSTEM_CERTS=true"
    yield "npm", '$env:NODE_OPTIONS = "--use-system-ca"' if _IS_WINDOWS else "export NODE_OPTIONS=--use-system-ca"


def for_self_signed(host: str, port: int) -> Advice:
    """How to go on trusting one server that has no CA, once its owner confirmed its fingerprint."""
    command = join([*own_command(), "check", authority(host, port), "--save-cert", "server.pem"])
    return Advice(where="shell", tool="save-cert", lines=(command,))


def message(host: str, port: int, wanted: Wanted, product: str | None, lowest: str) -> Advice:
    """A text to send to IT; *lowest* is the fingerprint of the server's certificate, if the CA's is not known."""
    lines = [
        "Hello,",
        "",
        f"programs on my computer cannot verify https://{authority(host, port)}/, since they do not know the CA",
        f'"{wanted.name}", which signs what is presented there.',
        *([f"By its name it is {product}'s, which inspects encrypted connections."] if product else []),
        "",
        "Please send me the certificate of this CA as a PEM file, and its SHA-256 fingerprint:",
        f"  name         {wanted.name}",
    ]
    if wanted.sha256:
        lines += ["  fingerprint, as presented and not confirmed", f"    {wanted.sha256}"]
    else:
        lines += ["  it signed the certificate with the SHA-256 fingerprint", f"    {lowest}"]
    lines.append(f"  seen         {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}")
    return Advice(where="message", tool="IT", lines=tuple(lines))


def own_command() -> list[str]:
    """How this program was started, to be started so again."""
    started = sys.argv[0] if sys.argv else ""
    name = os.path.basename(started)
    if name.endswith(".pyz"):
        return [_python(), started]
    if name.partition(".")[0] == "trusted-context":
        return ["trusted-context"]
    return [_python(), "-m", "trusted_context"]


def _python() -> str:
    return sys.executable or "python3"


def join(words: Sequence[str]) -> str:
    """A command line for a shell, of these words."""
    return subprocess.list2cmdline(words) if _IS_WINDOWS else shlex.join(words)
