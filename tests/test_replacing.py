"""A block that takes the place of another, as in a notebook's cell that is run again."""

import contextvars
import os
import warnings

import pytest
from servers import BODY, fetch, refusal

from trusted_context import current, trusted_context
from trusted_context._block import enter_instead_of
from trusted_context._entering import leave
from trusted_context.core import live


def entered(**arguments):
    """The entry of a new block with these arguments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return enter_instead_of((), trusted_context(**arguments))


@pytest.mark.parametrize("kinds", [({"a.test"}, {"b.test"}), ({"a.test"}, False), (False, {"b.test"}), (False, False)])
def test_threads_see_no_moment_without_either(kinds, monkeypatch, ca_file):
    """Two blocks that leave different hosts unverified, live together, would govern no third thread."""
    older, newer = kinds
    # As by a cell with ``await``, whose context ends with it.
    old = contextvars.copy_context().run(entered, cafile=ca_file, insecure=older)
    elected, elect = [], live._elect

    def elect_and_note():
        elect()
        elected.append(live._elected)

    monkeypatch.setattr(live, "_elect", elect_and_note)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new = enter_instead_of((old,), trusted_context(ca_file, insecure=newer))
    assert set(elected) == {new}
    assert live.all_live() == (new,)
    leave(new)
    assert current() is None


def test_a_block_that_cannot_be_entered_replaces_nothing(server, ca_file, tmp_path):
    """The old one governs as before."""
    old = entered(cafile=ca_file)
    with pytest.raises(FileNotFoundError):
        enter_instead_of((old,), trusted_context(tmp_path / "missing.pem"))
    assert live.all_live() == (old,)
    assert fetch(server.url) == BODY
    leave(old)


def test_an_export_that_fails_replaces_nothing(server, ca_file, other_file, monkeypatch):
    """The variables are still the old block's, and it is live."""
    old = entered(cafile=ca_file, export=True)

    def fail(*_):
        raise OSError("no more room")

    monkeypatch.setattr("trusted_context.sources.environment.export", fail)
    with pytest.raises(OSError, match="no more room"):
        enter_instead_of((old,), trusted_context(other_file, export=True))
    assert os.environ["PIP_CERT"] == str(ca_file)
    assert live.all_live() == (old,)
    assert fetch(server.url) == BODY
    leave(old)
    assert "PIP_CERT" not in os.environ


def test_exported_variables_go_from_the_one_to_the_other(server, ca_file, other_file):
    """After both they are what they were."""
    before = dict(os.environ)
    old = entered(cafile=ca_file, export=True)
    new = enter_instead_of((old,), trusted_context(other_file, export=True))
    assert os.environ["PIP_CERT"] == str(other_file)
    refusal(server.url)
    leave(old)
    assert os.environ["PIP_CERT"] == str(other_file)
    leave(new)
    assert dict(os.environ) == before


def test_what_has_ended_is_replaced_by_an_ordinary_entering(server, ca_file, other_file):
    """As where ``stop()`` came first."""
    old = entered(cafile=other_file)
    leave(old)
    new = enter_instead_of((old,), trusted_context(ca_file))
    assert fetch(server.url) == BODY
    leave(new)
    assert not live.anything_live()
