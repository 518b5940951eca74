from servers import fetch

from trusted_context import trusted_context


def test_a_block_trusts_its_ca_and_is_gone_after(server, ca_file):
    """The three-line promise, through the global opener."""
    with trusted_context(ca_file):
        assert fetch(server.url) == b"a data set"
