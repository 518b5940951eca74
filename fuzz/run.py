"""Fuzz one target with atheris: python fuzz/run.py bundles -max_total_time=60. Options are libFuzzer's."""

from __future__ import annotations

import importlib
import os
import pathlib
import sys

import atheris

HERE = pathlib.Path(__file__).resolve().parent


def main() -> None:
    """Fuzz, from the corpus unless folders are named; what is found is not written into it."""
    _, name, *options = sys.argv
    sys.path += [str(HERE), str(HERE.parent / "tests")]
    for variable in [name for name in os.environ if name.startswith(("SSL", "REQUESTS", "CURL"))]:
        del os.environ[variable]  # the trust of whoever runs this is not what is fuzzed
    if all(option.startswith("-") for option in options):
        found = HERE / "found" / name  # the first folder is the one that libFuzzer writes to
        found.mkdir(parents=True, exist_ok=True)
        options += [str(found), str(HERE / "corpus" / name)]
    with atheris.instrument_imports(include=["trusted_context"]):
        target = importlib.import_module(f"fuzz_{name}")
        # Inside, for what is imported when it is first used.
        atheris.Setup([sys.argv[0], f"-artifact_prefix={HERE / 'found'}/", *options], target.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
