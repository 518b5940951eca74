"""A real Ray on this machine."""

import importlib.util

import clusters
import pytest

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]


def test_a_hook_covers_every_worker_and_not_the_driver(server, ca_file):
    """Also one that takes the place of a worker that was killed; the file is not needed there."""
    assert clusters.play("ray", server, ca_file) == ["first ok", "killed ok", "driver SSLCertVerificationError"]
