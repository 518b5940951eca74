"""trusted-context in a few seconds: the failure, the ways to cure it, and nothing left behind.

    python -m pip install ".[examples]"
    python examples/quickstart.py

It reaches nothing but a server of its own on this machine. That server's certificate comes from a CA that no computer
knows, as it is with the proxies of many companies and universities.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import ssl
import sys
import tarfile
import tempfile
import textwrap
import urllib.request
import warnings
from urllib.error import URLError

from _loopback import ARCHIVE, FOLDER, forget_settings, serving
from tqdm import tqdm

from trusted_context import BundleError, InsecureWarning, trusted_context

BAR = {
    "unit": "B",
    "unit_scale": True,
    # Told, not asked for: a terminal that does not know its size would get no bar.
    "ncols": 80,
    "nrows": 24,
    "bar_format": "   {percentage:3.0f}% |{bar:40}| {n_fmt}B of {total_fmt}B, {rate_fmt}",
}


def main() -> None:
    """Make the server, and a folder for its CA and its data; both are gone at the end."""
    print("An HTTPS server on this machine, with a certificate from a CA that no computer knows.")
    if forgotten := forget_settings():
        say(f"Unset for this process alone: {', '.join(forgotten)}")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        serving("ca.pem", seconds=0.6) as url,
    ):
        show(url)
    print("\nAll went as told.")


def show(url: str) -> None:
    """Six steps, each of which raises where it does not go as told."""
    step("1. urlopen(url)", "Without a block: the failure that everybody knows.")
    say(refusal(url))

    opener, environment = urllib.request._opener, dict(os.environ)

    step('2. with trusted_context(cafile="ca.pem"):', "The CA's certificate is at hand: it is trusted, and only it.")
    with trusted_context(cafile="ca.pem") as block:
        say(block.describe())
        download(url)
    say(unpack())

    step("3. with trusted_context(system=True):", "What the operating system trusts. It does not know this CA either:")
    try:
        with trusted_context(system=True):
            say(refusal(url))
    except BundleError as empty:  # in a slim container, say
        say(str(empty))

    step("4. with trusted_context():", "What this machine is set up to trust, after 'export SSL_CERT_FILE=ca.pem'.")
    os.environ["SSL_CERT_FILE"] = "ca.pem"
    with trusted_context() as block:
        say(block.describe())
        download(url)
    say(unpack())
    del os.environ["SSL_CERT_FILE"]

    step('5. with trusted_context(insecure={"localhost"}):', "Verification off for one host, on for all others.")
    with trusted_context(insecure={"localhost"}):
        download(url)
    say(unpack())
    check("insecure comes with a warning", InsecureWarning in warned)

    step("6. urlopen(url)", "After the blocks all is as it was.")
    check("the opener is the same object", urllib.request._opener is opener)
    say("urllib.request's opener   the same object")
    check("os.environ holds the same values", dict(os.environ) == environment)
    say("os.environ                the same values")
    check("the download fails again", "CERTIFICATE_VERIFY_FAILED" in refusal(url))
    say("the same download         CERTIFICATE_VERIFY_FAILED again")


def download(url: str) -> None:
    """Fetch the data set as torchvision does it: ``urlopen`` and a progress bar."""
    # In a log, where no line can move, the bar is shown once, when it is full.
    delay = 0 if sys.stdout.isatty() else 3600
    with (
        urllib.request.urlopen(url, timeout=10) as response,
        open(ARCHIVE, "wb") as file,
        tqdm(total=response.length, file=sys.stdout, delay=delay, **BAR) as bar,
    ):
        while chunk := response.read(32 * 1024):
            file.write(chunk)
            bar.update(len(chunk))
        if delay:
            print(bar)


def refusal(url: str) -> str:
    """Why the server is not trusted; where it is, that is an error."""
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            return str(error.reason).partition(" (_ssl.c")[0]
        raise
    raise RuntimeError("the server was trusted, and should not have been")


def unpack() -> str:
    """Unpack what was downloaded and say what it is."""
    with tarfile.open(ARCHIVE) as tar:
        # Nothing is written outside this folder. Python 3.11.3 and older know no filter, and ignore this.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall()
    os.remove(ARCHIVE)
    batches = [unpickle(f"data_batch_{number}") for number in range(1, 6)]
    images = sum(len(batch[b"data"]) for batch in batches)
    labels = unpickle("batches.meta")[b"label_names"]
    return f"{images} images to train with; the first is labelled {labels[batches[0][b'labels'][0]].decode()!r}."


def unpickle(name: str) -> dict[bytes, list]:
    """One of the data set's files, read as CIFAR-10's home page tells."""
    with open(os.path.join(FOLDER, name), "rb") as file:
        return pickle.load(file, encoding="bytes")


def step(code: str, meaning: str) -> None:
    """Print what comes next."""
    print(f"\n{code}")
    say(meaning)


def say(text: str) -> None:
    """Print below the step's first line."""
    print(textwrap.fill(text, 104, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False))


def check(claim: str, holds: bool) -> None:
    """Fail with the claim unless it holds."""
    if not holds:
        raise RuntimeError(f"it is not true that {claim}")


warned: list[type[Warning]] = []


def show_warning(message: Warning | str, category: type[Warning], *_where: object) -> None:
    """Print a warning among the steps; Python itself would print it to stderr, with its file and line."""
    warned.append(category)
    say(f"{category.__name__}: {message}.")


if __name__ == "__main__":
    warnings.showwarning = show_warning
    warnings.simplefilter("always", InsecureWarning)
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"\nThis did not go as told: {error}")
