"""The targets of fuzz/, whose properties hold for the inputs of these tests too."""

import importlib
import pathlib
import sys
from unittest import mock

FUZZ = pathlib.Path(__file__).parents[1] / "fuzz"


def load(target):
    """The module that checks an input."""
    with mock.patch.object(sys, "path", [*sys.path, str(FUZZ)]):
        return importlib.import_module(f"fuzz_{target}")
