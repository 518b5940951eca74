"""What a block says to child processes and native code: environment(), and export=True."""

import contextlib
import itertools
import os
import pickle
import threading
import types

import pytest
from exported import (
    FILES,
    VARIABLES,
    ders,
    environment_is_as_it_was,  # noqa: F401  # a fixture of every test here
    naming,
    temporary_folder,  # noqa: F401  # as well
    variables,
    written,
)
from servers import BODY, fetch, refusal

from trusted_context import trusted_context
from trusted_context.sources import environment, exported_file, stores


@pytest.fixture
def users(monkeypatch, other_file, tmp_path):
    """The user's own values, of which one is empty; together they can be followed."""
    own = dict.fromkeys(FILES, str(other_file)) | {"SSL_CERT_DIR": str(tmp_path), "AWS_CA_BUNDLE": ""}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return own


# 23. What is exported


def test_environment_names_the_user_s_own_file(ca_file, users):
    """Where the user's file serves as it is, every variable names it, SSL_CERT_DIR is gone, and nothing is written."""
    given = trusted_context(ca_file).environment()
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    assert given == others | naming(ca_file)
    assert variables() == users
    assert written() == []


def test_environment_is_the_same_before_inside_and_after(ca_file, other_file):
    """The block need not be live, and inside another exporting block it is still its own."""
    block = trusted_context(ca_file, export=True)
    before = block.environment()
    with block:
        inside = block.environment()
        with trusted_context(other_file, export=True) as inner:
            assert variables(inner.environment()) == naming(other_file)
            assert block.environment() == before
    assert before == inside == block.environment()


def test_environment_is_a_copy(ca_file):
    """Changing the dictionary changes neither this process nor the next dictionary."""
    block = trusted_context(ca_file)
    block.environment().clear()
    assert variables(block.environment()) == naming(ca_file)
    assert variables() == {}


@pytest.mark.parametrize("export", [False, True])
def test_only_export_true_changes_the_environment(ca_file, users, export):
    """Inside the block the variables are ours with export=True and the user's without, and the user's after it."""
    with trusted_context(ca_file, export=export):
        assert variables() == (naming(ca_file) if export else users)
    assert variables() == users


def test_a_decorated_body_exports_while_it_runs(ca_file):
    """A generator with export=True exports during its own steps and not between them."""

    @trusted_context(ca_file, export=True)
    def steps():
        yield variables()
        yield variables()

    running = steps()
    assert next(running) == naming(ca_file)
    assert variables() == {}
    assert next(running) == naming(ca_file)
    running.close()
    assert variables() == {}


def test_a_relative_path_is_exported_as_an_absolute_one(ca_file, monkeypatch):
    """A child that runs in another folder finds the file, also where a variable named it."""
    monkeypatch.chdir(ca_file.parent)
    monkeypatch.setenv("CURL_CA_BUNDLE", ca_file.name)
    for block in (trusted_context(ca_file.name), trusted_context()):
        assert variables(block.environment()) == naming(ca_file)
    monkeypatch.setenv("HOME", str(ca_file.parent))
    monkeypatch.setenv("USERPROFILE", str(ca_file.parent))
    assert variables(trusted_context(f"~/{ca_file.name}").environment()) == naming(ca_file)


# Insecure and local blocks


@pytest.mark.parametrize("arguments", [{"insecure": True}, {"insecure": {"corp.test"}}, {"local": True}], ids=str)
@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_insecure_and_local_blocks_export_nothing(arguments, server, ca_file, users, monkeypatch):
    """They work otherwise, also where the system's store is no file."""
    with trusted_context(None if arguments.get("insecure") is True else ca_file, export=True, **arguments):
        assert variables() == users
        assert fetch(server.url) == BODY
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    with trusted_context(system=None if arguments.get("insecure") is True else True, export=True, **arguments):
        assert variables() == users


@pytest.mark.parametrize("insecure", [True, {"corp.test"}])
@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_the_environment_of_an_insecure_block_is_the_user_s_own(insecure, ca_file, users):
    """A block that is insecure, for every host or one, gives the values from before any export."""
    before = dict(os.environ)
    cafile = None if insecure is True else ca_file
    block = trusted_context(cafile, insecure=insecure, export=True)
    assert block.environment() == before
    with trusted_context(ca_file, export=True), block:
        assert variables() == naming(ca_file)
        assert block.environment() == before


def test_the_environment_of_a_local_block_is_its_own(ca_file):
    """Asked for one child, a local block gives what it trusts."""
    assert variables(trusted_context(ca_file, local=True).environment()) == naming(ca_file)


# What other processes are told


def test_a_process_with_another_environment_is_told_what_to_set_and_unset(ca_file, other_file, tmp_path, users):
    """A fork server that was started inside another exporting block follows this one, and the user's after it."""
    with trusted_context(other_file, export=True):
        elsewhere = dict(os.environ)
    for block in (trusted_context(ca_file, export=True), trusted_context(ca_file)):
        with block:
            for name, value in environment.set_now().items():
                elsewhere.pop(name, None)
                if value is not None:
                    elsewhere[name] = value
            assert variables(elsewhere) == variables()
    assert variables(elsewhere) == users


def test_a_process_that_enters_the_blocks_itself_is_told_the_user_s_values(ca_file, other_file, users):
    """However many blocks export, the values from before are those that it must know as the user's."""
    own = users | {name: None for name in VARIABLES if name not in users}
    assert environment.set_by_user() == environment.set_now() == own
    with trusted_context(ca_file, export=True), trusted_context(other_file, export=True):
        assert environment.set_by_user() == own
        assert {name: value for name, value in environment.set_now().items() if value} == naming(other_file)


def test_every_variable_that_is_exported_names_its_readers():
    """The documentation's table is made of it: a variable that nobody is known to read is not exported."""
    assert all(environment.VARIABLES.values())
    assert {name for names in environment.PRECEDENCE for name in names} <= set(environment.VARIABLES)


# Several blocks


def test_the_newest_live_exporting_block_decides_in_any_order_of_exits(ca_file, other_file, tmp_path, users):
    """Whichever of three blocks ends first, the newest that is left is exported, and the user's values come last."""
    third_file = tmp_path / "third.pem"
    third_file.write_bytes(ca_file.read_bytes())
    files = [ca_file, other_file, third_file]
    for order in itertools.permutations(range(3)):
        blocks = [trusted_context(file, export=True).start() for file in files]
        live = [0, 1, 2]
        for index in order:
            assert variables() == naming(files[live[-1]])
            blocks[index].stop()
            live.remove(index)
        assert variables() == users


def test_blocks_of_several_threads_put_back_the_user_s_values(ca_file, other_file, users):
    """Threads that enter and leave exporting blocks at once leave the environment as it was."""
    failures = []

    def churn(file):
        for _ in range(50):
            with trusted_context(file, export=True):
                if os.environ.get("SSL_CERT_FILE") not in {str(ca_file), str(other_file)}:
                    failures.append(os.environ.get("SSL_CERT_FILE"))
                if environment.value("SSL_CERT_FILE") != users["SSL_CERT_FILE"]:
                    failures.append(environment.value("SSL_CERT_FILE"))

    threads = [threading.Thread(target=churn, args=(file,)) for file in (ca_file, other_file) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert variables() == users


def test_a_block_that_does_not_export_leaves_the_exported_in_force(ca_file, other_file, server):
    """The variables stay the outer exporting block's while an inner block governs this process's own connections."""
    with trusted_context(ca_file, export=True):
        with trusted_context(other_file):
            assert variables() == naming(ca_file)
            refusal(server.url)
        assert variables() == naming(ca_file)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"])
def test_a_plain_block_inside_an_exporting_one_follows_the_user_s_values(variable, ca_file, other_file, monkeypatch):
    """Without cafile trust is found by the values from before any export, however many exports there are."""
    value = other_file
    if variable == "SSL_CERT_DIR":
        value = other_file.with_suffix(".d")
        value.mkdir()
        (value / "12345678.0").write_bytes(other_file.read_bytes())
    monkeypatch.setenv(variable, str(value))
    with trusted_context(ca_file, export=True), trusted_context(ca_file.read_bytes(), export=True):
        assert trusted_context().describe().startswith(f"{variable}={value}: 1 CA;")
        assert environment.value(variable) == str(value)


def test_without_the_user_s_values_a_plain_block_inside_an_exporting_one_follows_the_machine(ca_file):
    """What a block of ours exported is not taken for the user's wish."""
    expected = trusted_context().describe()
    with trusted_context(ca_file, export=True):
        assert trusted_context().describe() == expected


# Variables that other code changes meanwhile


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("value", ["theirs", ""])
def test_a_variable_that_other_code_set_stays_as_it_set_it(name, value, ca_file, users):
    """It is left, and named in a warning at the caller's line; the others are put back."""
    block = trusted_context(ca_file, export=True).start()
    os.environ[name] = value
    assert environment.value(name) == (value or None)
    with pytest.warns(RuntimeWarning, match=f"environment variable {name} was changed by other code") as caught:
        block.stop()
    assert [warning.filename for warning in caught] == [__file__]
    assert variables() == users | {name: value}


def test_a_variable_that_other_code_deleted_stays_deleted(ca_file, users):
    """It is left unset, and named in a warning."""
    block = trusted_context(ca_file, export=True).start()
    del os.environ["GIT_SSL_CAINFO"]
    with pytest.warns(RuntimeWarning, match="GIT_SSL_CAINFO") as caught:
        block.stop()
    assert len(caught) == 1
    assert variables() == {name: value for name, value in users.items() if name != "GIT_SSL_CAINFO"}


@pytest.mark.parametrize("outer_first", [False, True])
def test_a_change_between_two_blocks_is_back_after_the_inner_one(outer_first, ca_file, other_file):
    """An inner export covers what other code had set, and gives it back; the outer one leaves it and says so."""
    outer = trusted_context(ca_file, export=True).start()
    os.environ["PIP_CERT"] = "theirs"
    inner = trusted_context(other_file, export=True).start()
    assert variables() == naming(other_file)
    assert environment.value("PIP_CERT") == "theirs"
    if outer_first:
        with pytest.warns(RuntimeWarning, match="PIP_CERT was changed"):
            outer.stop()
        assert variables() == naming(other_file)
        inner.stop()
    else:
        inner.stop()
        assert variables() == naming(ca_file) | {"PIP_CERT": "theirs"}
        with pytest.warns(RuntimeWarning, match="PIP_CERT was changed"):
            outer.stop()
    assert variables() == {"PIP_CERT": "theirs"}
    del os.environ["PIP_CERT"]


def test_a_change_that_other_code_undoes_is_no_change(ca_file, other_file, monkeypatch):
    """An inner block within somebody's own temporary change neither warns nor keeps that change."""
    with trusted_context(ca_file, export=True):
        with monkeypatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", "theirs")
            with trusted_context(other_file, export=True):
                assert variables() == naming(other_file)
            assert os.environ["SSL_CERT_FILE"] == "theirs"
        assert variables() == naming(ca_file)
    assert variables() == {}


# All or nothing


class _Breaks:
    """An environment whose changes break off after *steps*, once, as by Ctrl-C."""

    def __init__(self, steps):
        self.steps = steps

    def __getattr__(self, name):
        return getattr(os.environ, name)

    def _step(self):
        self.steps -= 1
        if self.steps == -1:
            raise KeyboardInterrupt

    def __setitem__(self, name, value):
        self._step()
        os.environ[name] = value

    def pop(self, *arguments):
        self._step()
        return os.environ.pop(*arguments)


def _breaking_after(steps):
    return types.SimpleNamespace(**vars(os) | {"environ": _Breaks(steps)})


@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("nested", [False, True])
def test_ctrl_c_in_the_middle_of_entering_leaves_the_environment_as_it_was(steps, nested, ca_file, users, monkeypatch):
    """Wherever it strikes, all variables are what they were, the outer block's where there is one."""
    block = trusted_context(ca_file, export=True)
    with trusted_context(ca_file.read_bytes(), export=True) if nested else contextlib.nullcontext():
        before = variables()
        with monkeypatch.context() as patch:
            patch.setattr(environment, "os", _breaking_after(steps))
            with pytest.raises(KeyboardInterrupt):
                block.start()
        assert variables() == before
        assert "live" not in repr(block)
    assert variables() == users


@pytest.mark.parametrize("steps", range(9))
def test_ctrl_c_in_the_middle_of_leaving_is_heeded_after_it(steps, ca_file, users, monkeypatch):
    """Wherever it strikes, the block is left, the variables are the user's, and the caller gets the interrupt."""
    block = trusted_context(ca_file, export=True).start()
    with monkeypatch.context() as patch:
        patch.setattr(environment, "os", _breaking_after(steps))
        with pytest.raises(KeyboardInterrupt):
            block.stop()
    assert "live" not in repr(block)
    assert variables() == users


def test_a_failing_entry_exports_nothing(users, tmp_path):
    """Trust that cannot be used is an error before anything is set."""
    with pytest.raises(FileNotFoundError):
        trusted_context(tmp_path / "gone.pem", export=True).start()
    assert variables() == users


# The argument


@pytest.mark.parametrize("value", ["false", 1, 0, None, [], {"PIP_CERT"}], ids=repr)
def test_export_is_a_bool(value):
    """Nothing but True or False is taken for export."""
    with pytest.raises(TypeError, match="export takes True or False, not "):
        trusted_context(export=value)


def test_export_is_shown_and_pickled(ca_file):
    """A copy exports too, and repr() says that it does."""
    block = pickle.loads(pickle.dumps(trusted_context(ca_file, export=True)))
    assert repr(block) == f"<trusted_context(cafile={[str(ca_file)]}, export=True)>"
    with block:  # it brought its certificates along, and names a file with these
        assert variables() == naming(os.environ["PIP_CERT"])
        assert ders(os.environ["PIP_CERT"]) == ders(str(ca_file))
    assert "export=" not in repr(pickle.loads(pickle.dumps(trusted_context(ca_file))))


def test_a_block_without_export_touches_no_environment_and_no_file(ca_file, monkeypatch):
    """Entering and leaving it neither looks for a file to export nor copies or changes the environment."""

    def fail(*_arguments):
        raise AssertionError("done for a block that exports nothing")

    for name in ("_update", "_values", "export"):
        monkeypatch.setattr(environment, name, fail)
    monkeypatch.setattr(exported_file, "write", fail)
    with trusted_context(ca_file):
        pass
