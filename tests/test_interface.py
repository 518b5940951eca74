"""What editors, notebooks and ``typing`` find when they look at the package."""

import inspect
import subprocess
import sys
import traceback
import typing

import pytest
from servers import refusal

import trusted_context as package
from trusted_context import TrustedContext, trusted_context

METHODS = {"start", "stop", "refresh", "describe", "environment", "ssl_context"}


def public_functions():
    """Every public function, and every public or magic method of the public classes, by its name."""
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isfunction(value):
            yield name, value
            continue
        for member, method in vars(value).items():
            found = method.fget if isinstance(method, property) else method
            if inspect.isfunction(found) and not (member.startswith("_") and member.strip("_") == member[1:]):
                yield f"{name}.{member}", found


@pytest.mark.parametrize("name", [name for name, _ in public_functions()])
def test_the_annotations_of_the_public_functions_can_be_evaluated(name):
    """``typing.get_type_hints()`` finds every name in them."""
    function = dict(public_functions())[name]
    hints = typing.get_type_hints(function)
    assert set(hints) == set(function.__annotations__)
    inspect.signature(function, eval_str=True)


def test_what_is_called_without_a_function_is_said_to_give_a_block():
    """Completion in IPython and editors goes by the annotation of what it returns."""
    assert typing.get_type_hints(trusted_context)["return"] is TrustedContext
    for method in ("start", "__enter__", "__aenter__"):
        assert typing.get_type_hints(getattr(TrustedContext, method))["return"] is TrustedContext


def test_dir_names_what_is_public_and_nothing_else():
    """So does a completion of ``from trusted_context import``."""
    assert dir(package) == sorted(package.__all__)


def test_importing_the_package_imports_no_typing():
    """The annotations that can be evaluated cost nothing."""
    code = "import sys, trusted_context; print([name for name in ('typing', 'inspect', 'html') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
                          capture_output=True, text=True, check=True, timeout=30)  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.fixture
def jedi(tmp_path, monkeypatch):
    """jedi, with a cache that no other process writes to."""
    library = pytest.importorskip("jedi")
    monkeypatch.setattr(library.settings, "cache_directory", str(tmp_path / "cache"))
    return library


@pytest.mark.parametrize("code", ['trusted_context("x").', 'trusted_context("x").start().', "block."])
def test_jedi_offers_the_methods(code, jedi):
    """The completion of terminals and of editors without a type checker."""
    source = f"from trusted_context import trusted_context\nwith trusted_context('x') as block:\n    {code}"
    offered = {found.name for found in jedi.Script(source).complete()}
    assert offered >= METHODS


def test_jedi_offers_every_public_name(jedi):
    """Those too that are imported only when they are asked for."""
    offered = {found.name for found in jedi.Script("from trusted_context import ").complete()}
    assert offered >= set(package.__all__)


def test_jedi_offers_them_to_a_session(jedi):
    """As above, where the names are those of objects that live, as in a shell."""
    names = {"trusted_context": trusted_context, "block": trusted_context()}
    for code in ('trusted_context("x").', "block."):
        offered = {found.name for found in jedi.Interpreter(code, [names]).complete()}
        assert offered >= METHODS


def frames_shown(error):
    """The frames of ours that pytest and IPython show: neither hides one that has a certain local variable."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        ours = frame.f_globals.get("__name__", "").startswith("trusted_context")
        if ours and not frame.f_locals.get("__tracebackhide__"):
            yield frame.f_code.co_name


@trusted_context("missing.pem")
def decorated():
    """A function whose block cannot be entered."""


def enter():
    with trusted_context("missing.pem"):
        pass


@pytest.mark.parametrize("fail", [decorated, enter, lambda: trusted_context("missing.pem").start()])
def test_the_frames_between_the_user_and_an_error_at_entry_are_hidden(fail):
    """What is left shows the user's line, the place where the error was raised, and its message."""
    with pytest.raises(FileNotFoundError) as caught:
        fail()
    shown = list(frames_shown(caught.value))
    assert not {"wrapper", "start", "__enter__", "_enter", "_resolve_to_enter", "_resolve_with_file"} & set(shown)
    assert "missing.pem" in str(caught.value)
    assert traceback.extract_tb(caught.value.__traceback__)[0].filename == __file__


def test_the_frames_of_the_user_s_function_are_all_there(server, other_file):
    """The traceback of a download that fails in a decorated function ends where it failed, and hides our wrapper."""

    def download():
        return refusal_raised(server.url)

    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        trusted_context(other_file)(download)()
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert names.index("wrapper") < names.index("download") < names.index("refusal_raised")
    assert "wrapper" not in frames_shown(caught.value)


def refusal_raised(url):
    """Raise what a refused download raises."""
    from urllib.request import urlopen

    urlopen(url, timeout=10)
    refusal(url)
