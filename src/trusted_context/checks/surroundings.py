"""What this machine is set up to: versions, the variables that name bundles, the stores, the proxies."""

from __future__ import annotations

import os
import platform
import ssl
import stat
import time
import urllib.request

from ..core.redaction import redact, redact_proxy
from ..sources import environment, stores
from ..sources.error import BundleError
from .deadline import within
from .target import authority, parse_proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from ..sources.stores import Source
    from .deadline import Deadline
    from .target import Proxy

    Findings: TypeAlias = dict[str, Any]

# CAs are added and distrusted a few times a year: past this, failures are to be expected.
_OLD_DAYS = 365
_NOT_READ = "is a pipe or a device, not a file: not read"
_UPGRADE = "python -m pip install --upgrade certifi"


def machine() -> Findings:
    """Versions of everything that decides how a handshake ends, and the clock, which certificates are compared with."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "openssl": ssl.OPENSSL_VERSION,
        "platform": platform.platform(),
        "trusted_context": own_version(),
        "clock": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def variables() -> list[Findings]:
    """Each variable that names a bundle to some program: its value from before any export, and what is there."""
    deciding = next((names for names in environment.PRECEDENCE if any(map(environment.value, names))), ())
    found = []
    for name in environment._VARIABLES:
        value = environment.value(name)
        usable, finding = read(name, value) if value else (None, "not set")
        found.append(
            {
                "name": name,
                "value": redact_bundle(value) if value else None,
                "usable": usable,
                "finding": finding,
                "decides": name in deciding and value is not None,
            }
        )
    return found


def redact_bundle(value: str) -> str:
    """The value of a variable that names a bundle, or words that begin with it, without user and password."""
    return redact_proxy(value) if "://" in value else redact(value)


def certifi_store() -> tuple[Findings, Source | None]:
    """The installed certifi, and how old its CAs are."""
    import certifi

    age = _age_in_days(certifi.__version__)
    found: Findings = {"version": certifi.__version__, "age_in_days": age, "upgrade": None, "problem": None}
    if age is not None and age > _OLD_DAYS:
        found["upgrade"] = _UPGRADE
    try:
        source = stores._from_certifi()
    except (OSError, BundleError) as error:
        return found | {"file": certifi.where(), "certificates": 0, "problem": _words(error)}, None
    return found | {"file": source.file, "certificates": len(source.bundle.certificates)}, source


def system_store() -> tuple[Findings, Source | None]:
    """The operating system's store: where it is, and how many certificates are there."""
    source = stores._system()
    if source is None:
        return {"description": None, "certificates": 0, "native": False}, None
    known = dict.fromkeys(source.bundle.certificates)
    if source.folder:
        known |= dict.fromkeys(stores.read_hashed(source.folder))
    count = None if source.native else len(known)
    return {"description": source.description, "certificates": count, "native": source.native}, source


def proxies(host: str, port: int, deadline: Deadline) -> tuple[Findings, Proxy | None]:
    """What Python's clients go through to this host, and what they were told that by."""
    try:
        told = within(deadline, urllib.request.getproxies)
        excepted = within(deadline, urllib.request.proxy_bypass, authority(host, port))
    except TimeoutError:
        return _no_proxies("the operating system did not say in time which proxy is in force"), None
    spoken = {name: redact_proxy(value) for name, value in told.items() if name in ("https", "all", "http")}
    if "no" in told:
        # No host or address has an @: what stands before one is a mistake, and may be a password.
        spoken["no"] = redact_proxy(told["no"])
    found = _no_proxies(None) | {"told": spoken}
    text = told.get("https") or told.get("all")
    if not text:
        if told.get("http"):
            found["remarks"].append("http_proxy is for http:// alone: for https:// set https_proxy too")
        return found, None
    if excepted:
        return found | {"excepted": True}, None
    if not told.get("https"):
        found["remarks"].append("all_proxy is not heeded by urllib (torchvision, torch.hub, ...): set https_proxy too")
    try:
        proxy = parse_proxy(text)
    except ValueError as error:
        return found | {"problem": str(error)}, None
    if proxy.scheme not in ("http", "https"):
        problem = f"a {proxy.scheme} proxy, which neither urllib nor this check can speak to: is there one for http://?"
        return found | {"used": str(proxy), "problem": problem}, None
    if proxy.scheme == "https":
        found["remarks"].append("spoken to in TLS, as requests and httpx can; urllib (torchvision, ...) cannot")
    return found | {"used": str(proxy)}, proxy


def _no_proxies(problem: str | None) -> Findings:
    return {"told": {}, "used": None, "excepted": False, "problem": problem, "remarks": []}


def environment_store(names: tuple[str, ...]) -> tuple[str | None, Source | None]:
    """What these variables name together, with what is wrong with them; neither where none of them is set."""
    if any(
        _is_special(value) for name in names if (value := environment.value(name)) and name != environment.SSL_CERT_DIR
    ):
        return _NOT_READ, None
    try:
        return None, stores.from_variables(names)
    except (OSError, BundleError) as error:
        return _words(error), None


def read(name: str, value: str) -> tuple[bool, str]:
    """Whether this value of the variable *name* names a usable bundle, and what is there or wrong with it."""
    if name != environment.SSL_CERT_DIR and _is_special(value):
        return False, _NOT_READ
    try:
        count = len(stores._read_variable(name, value).certificates)
    except (OSError, BundleError) as error:
        return False, _words(error)
    return True, f"{count} {'certificate' if count == 1 else 'certificates'}"


def _is_special(path: str) -> bool:
    # To open a pipe waits for its other end, which a check must not.
    try:
        mode = os.stat(os.path.expanduser(path)).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _words(error: OSError | BundleError) -> str:
    said = error.strerror or str(error) if isinstance(error, OSError) else redact_bundle(str(error))
    return said.partition(" (named by the environment variable")[0]  # which stands beside it here


def _age_in_days(version: str) -> int | None:
    """How long ago *version*, which is its date, was released."""
    try:
        year, month, day = map(int, version.split(".")[:3])
        released = time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))
    except (ValueError, OverflowError):
        return None
    return max(0, int((time.time() - released) / 86400))


def own_version() -> str:
    """The version of this package; run from its source it has none."""
    import importlib.metadata

    try:
        return importlib.metadata.version("trusted-context")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
