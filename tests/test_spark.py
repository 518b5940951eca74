"""A real Spark on this machine, in its mode of a local cluster."""

import importlib.util
import shutil

import clusters
import pytest

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed"),
]


@pytest.mark.timeout(120)  # the Java machines of a driver, a master and an executor start
def test_a_decorated_function_is_inside_the_block_in_the_python_workers(server, ca_file):
    """A function and a generator take the certificates along; a worker that Spark uses again is ordinary after it."""
    refused = ["SSLCertVerificationError"] * 2
    assert clusters.play("spark", server, ca_file, seconds=110) == [
        "map ['ok', 'ok']",
        "mapPartitions ['ok', 'ok']",
        f"undecorated {refused}",
    ]
