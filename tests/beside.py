"""Programs with libraries that patch the process, each in an interpreter of its own, outside blocks and inside."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

_PROGRAM = """\
import json, sys, warnings
warnings.simplefilter("ignore")
outcomes = {}

def attempt(name, call):
    try:
        outcomes[name] = str(call())
    except Exception as error:
        outcomes[name] = type(error).__name__
        texts = []
        while error is not None and len(texts) < 9:
            texts.append(str(error))
            error = error.__cause__ or error.__context__
        # What OpenSSL said counts, wherever a library has put it.
        refused = any("CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text for text in texts)
        outcomes[name] = "refused" if refused else f"{outcomes[name]}: {texts[0][:200]}"

def in_turn(call, *, before=True):
    from trusted_context import trusted_context
    if before:
        attempt("outside", call)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        with trusted_context():
            attempt("inside", call)
        with trusted_context(OTHER):
            attempt("other", call)
        ours = [str(warning.message) for warning in caught if "trusted_context" in str(warning.message)]
    attempt("after", call)
    outcomes["warnings"] = ours

URL, CA, OTHER = sys.argv[1:]
"""
_END = "\nprint()\nprint(json.dumps(outcomes))\n"


def outcomes(program, *places, needs=(), **variables):
    """What *program* noted by its functions ``attempt`` and ``in_turn``, given a URL, its CA's file and another CA's.

    Its variables name the right CA. The test is skipped where it needs a package that is not installed.
    """
    for package in needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    url, ca, other = map(str, places)
    environment = os.environ | {"SSL_CERT_FILE": ca, "REQUESTS_CA_BUNDLE": ca, "EVENTLET_NO_GREENDNS": "yes"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM + program + _END, url, ca, other],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
