"""A real cluster of Dask's, whose workers are processes of this machine."""

import clusters
import pytest

from trusted_context import trusted_context

pytest.importorskip("distributed")  # here, since its import changes the process
pytestmark = pytest.mark.dask
REFUSED = "SSLCertVerificationError"


def test_a_plugin_covers_every_worker_of_a_cluster_until_it_is_unregistered(server, ca_file):
    """Those that were there, one that was killed and came back, restarted ones, and added ones; without the file."""
    assert clusters.play("dask", server, ca_file) == [
        f"before {REFUSED}",
        "registered ok",
        "killed ok",
        "restarted ok",
        "added ok ok",
        f"unregistered {REFUSED} {REFUSED}",
    ]


def test_a_cluster_that_is_made_inside_a_block_follows_it(server, ca_file):
    """The nanny's worker processes are multiprocessing's."""
    assert clusters.play("dask_inside", server, ca_file) == ["ok"]


@pytest.mark.parametrize("given", ["corp.crt", None, trusted_context])
def test_the_plugin_takes_a_block(given):
    """Anything else is a TypeError when it is made, not in the workers."""
    from trusted_context.dask import TrustedContextPlugin

    with pytest.raises(TypeError, match="takes the block that trusted_context"):
        TrustedContextPlugin(given)
