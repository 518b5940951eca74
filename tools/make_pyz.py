"""Make ``trusted-context.pyz``: the command as one file, for a machine on which pip itself fails.

``python tools/make_pyz.py trusted-context.pyz`` needs nothing but the standard library, and so does what it makes:
``python3 trusted-context.pyz check URL``.
"""

import pathlib
import sys
import tempfile
import tomllib
import zipapp

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = "trusted_context"
# zipapp's own form of it would throw the exit status away.
_MAIN = f"""\
import sys

if sys.version_info < (3, 11):
    sys.exit("trusted-context needs Python 3.11 or newer; this is " + sys.version.split()[0])
from {_PACKAGE}.__main__ import main

sys.exit(main())
"""


def make(target: str) -> None:
    """Write the file."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory() as folder:
        build = pathlib.Path(folder)
        for path in sorted((_ROOT / "src").rglob("*")):
            if path.suffix == ".py" or path.name == "py.typed":
                copy = build / path.relative_to(_ROOT / "src")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        (build / "__main__.py").write_text(_MAIN, encoding="utf-8")
        # What importlib.metadata reads the version from.
        information = build / f"{_PACKAGE}-{project['version']}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (information / "METADATA").write_text(metadata, encoding="utf-8")
        (information / "LICENSE").write_bytes((_ROOT / "LICENSE").read_bytes())
        pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)
        zipapp.create_archive(build, target, interpreter="/usr/bin/env python3", compressed=True)


if __name__ == "__main__":
    make(sys.argv[1])
