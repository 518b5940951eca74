"""Runs the programs of clustering.py, each in a process and a folder of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Nothing but the loopback interface is used, nothing is sent home, and Ray makes no token in the user's folder.
_SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYSPARK_PYTHON": sys.executable,
    "SPARK_LOCAL_IP": "127.0.0.1",
}


def play(engine, server, ca_file, seconds=55):
    """The lines that the engine's program prints."""
    with tempfile.TemporaryDirectory(prefix="tc-", ignore_cleanup_errors=True) as folder:
        settings = {**os.environ, **_SETTINGS, "SPARK_WORKER_DIR": folder, "SPARK_LOCAL_DIRS": folder}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("clustering.py")), engine, server.url, str(ca_file)],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd=folder,
            env=settings,
        )
    assert done.returncode == 0, done.stderr
    # Ray prints of its workers' ends between ours.
    words = (
        "before",
        "registered",
        "killed",
        "restarted",
        "added",
        "unregistered",
        "ok",
        "first",
        "driver",
        "map",
        "und",
    )
    return [line for line in done.stdout.splitlines() if line.startswith(words)]
