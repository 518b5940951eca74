"""What this machine is set up to: versions, the variables that name bundles, the stores."""

from __future__ import annotations

import importlib.util
import os
import platform
import ssl
import stat
import time

from ..core.redaction import show_path
from ..sources import environment, stores
from ..sources.error import BundleError
from . import native_store
from .findings import Certifi, Machine, Setting, SystemStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sources.stores import Source

# CAs are added and distrusted a few times a year: past this, failures are to be expected.
_OLD_DAYS = 365
_NOT_READ = "is a pipe or a device, not a file: not read"
_UPGRADE = "python -m pip install --upgrade certifi"
_NEEDED = ("certifi", "truststore", "urllib3")
# What programs that no block exports for are told their bundle by: shown where they are set.
_MORE_VARIABLES = (
    "BUNDLE_SSL_CA_CERT",
    "CI_SERVER_TLS_CA_FILE",
    "CONDA_SSL_VERIFY",
    "GIT_SSL_CAPATH",
    "NPM_CONFIG_CAFILE",
    "npm_config_cafile",
    "PERL_LWP_SSL_CA_FILE",
    "PRIMP_CA_BUNDLE",
    "VAULT_CACERT",
)
# poetry names its repository in the middle.
_POETRY_PREFIX, _POETRY_SUFFIX = "POETRY_CERTIFICATES_", "_CERT"
# Values of CONDA_SSL_VERIFY that name no file.
_SWITCHES = frozenset({"0", "1", "false", "no", "off", "on", "true", "truststore", "yes"})


def machine() -> Machine:
    """Versions of everything that decides how a handshake ends, and the clock, which certificates are compared with."""
    return Machine(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        openssl=ssl.OPENSSL_VERSION,
        platform=platform.platform(),
        trusted_context=own_version(),
        clock=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        missing=tuple(name for name in _NEEDED if importlib.util.find_spec(name) is None),
    )


def variables() -> tuple[Setting, ...]:
    """Each variable that names a bundle to some program: its value from before any export, and what is there."""
    deciding = next((names for names in environment.PRECEDENCE if any(map(environment.value, names))), ())
    found = []
    for name in dict.fromkeys((*environment.VARIABLES, *_set_beside())):
        value = environment.value(name)
        usable, finding = read(name, value) if value else (None, "not set")
        shown = show_path(value) if value else None
        decides = name in deciding and value is not None
        found.append(Setting(name=name, value=shown, usable=usable, finding=finding, decides=decides))
    return tuple(found)


def _set_beside() -> Iterator[str]:
    """The variables beside those that a block exports, where they are set to a path."""
    named = [name for name in os.environ if name.startswith(_POETRY_PREFIX) and name.endswith(_POETRY_SUFFIX)]
    for name in (*_MORE_VARIABLES, *sorted(named)):
        value = os.environ.get(name)
        if value and value.lower() not in _SWITCHES:
            yield name


def named_by_variables() -> Iterator[tuple[str, str]]:
    """The name and the paths of each variable that is set."""
    for name in dict.fromkeys((*environment.VARIABLES, *_set_beside())):
        value = environment.value(name)
        for path in filter(None, (value or "").split(os.pathsep) if name == environment.SSL_CERT_DIR else [value]):
            yield name, path


def certifi_store() -> tuple[Certifi, Source | None]:
    """The installed certifi, and how old its CAs are."""
    try:
        import certifi
    except ImportError:
        return Certifi(version=None, problem="not installed"), None
    version, age = certifi.__version__, _age_in_days(certifi.__version__)
    upgrade = _UPGRADE if age is not None and age > _OLD_DAYS else None
    try:
        source = stores.certifi_store()
    except (OSError, BundleError) as error:
        problem = _words(error)
        return Certifi(version=version, age_in_days=age, file=certifi.where(), upgrade=upgrade, problem=problem), None
    count = len(source.bundle.certificates)
    return Certifi(version=version, age_in_days=age, file=source.file, certificates=count, upgrade=upgrade), source


def system_store() -> tuple[SystemStore, Source | None]:
    """The operating system's store: where it is, and how many certificates are there."""
    source = stores.system_store()
    if source and source.native and importlib.util.find_spec("truststore") is None:
        source = native_store.read_store()
    if source is None:
        return SystemStore(description=None, certificates=0, native=False), None
    known = dict.fromkeys(source.bundle.certificates)
    if source.folder:
        known |= dict.fromkeys(stores.read_hashed(source.folder))
    count = None if source.native else len(known)
    return SystemStore(description=source.description, certificates=count, native=source.native), source


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
        count = len(stores.read_variable(name, value).certificates)
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
    said = (isinstance(error, OSError) and error.strerror) or str(error)
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
    except importlib.metadata.PackageNotFoundError:  # pragma: no cover  # test_check_bare.py has no coverage installed
        return "not installed"
