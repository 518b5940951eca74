"""A library that is imported in the middle of a block is covered from its import on, and its import leaves no trace."""

import copy
import subprocess
import sys
import textwrap

import pytest

from trusted_context.clients import importing

pytest.importorskip("requests")

_BEGIN = """
import sys, threading
from trusted_context import trusted_context
cafile, url = sys.argv[1:]

def refused(module):
    try:
        return b"CERTIFICATE_VERIFY_FAILED" if get(module) else None
    except Exception as error:
        assert "CERTIFICATE_VERIFY_FAILED" in str(error), error
        return True

def get(module):
    if module.__name__ == "requests":
        return module.get(url, timeout=20).content
    with module.PoolManager() as manager:
        return manager.request("GET", url, timeout=20, retries=False).data

def is_clean():
    return not any(type(finder).__module__.startswith("trusted_context") for finder in sys.meta_path)
"""

_SLOW = """
import importlib.machinery
begun, left = threading.Event(), threading.Event()

class Slow(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        begun.set()
        assert left.wait(20)
        super().exec_module(module)

class Finder:
    def find_spec(self, name, path, target=None):
        if name != "urllib3.poolmanager":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        spec.loader = Slow(spec.loader.name, spec.loader.path)
        return spec
"""


@pytest.fixture
def run(server, ca_file):
    """Runs code in a fresh interpreter, in which neither requests nor urllib3 is imported."""

    def in_fresh_interpreter(code, *options):
        command = [
            sys.executable,
            *options,
            "-W",
            "error",
            "-c",
            _BEGIN + _SLOW + textwrap.dedent(code),
            str(ca_file),
            server.url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""

    return in_fresh_interpreter


has_lazy_imports = pytest.mark.skipif(sys.version_info < (3, 15), reason="older Pythons have no lazy imports (PEP 810)")


@has_lazy_imports
def test_what_a_module_has_imported_lazily_is_replaced_and_comes_back(run):
    """The function itself is wrapped, not what stands for it in the module's dictionary."""
    run("""
        import types
        from trusted_context.clients.patches import Patches
        module = types.ModuleType("lazy")
        exec("lazy from json import dumps", vars(module))
        assert not callable(vars(module)["dumps"])
        patches = Patches()
        patches.wrap(module, "dumps", lambda original: lambda value: original(value) * 2)
        assert module.dumps(1) == "11"
        assert patches.restore() == []
        import json
        assert vars(module)["dumps"] is json.dumps
    """)


@has_lazy_imports
@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_where_every_import_is_lazy_a_client_is_covered_too(name, run):
    """Its module is there only once it is asked for."""
    run(
        f"""
        import {name} as module
        for _ in range(2):
            with trusted_context(cafile):
                assert get(module)
            assert refused(module) and is_clean()
        """,
        "-X",
        "lazy_imports=all",
    )


@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_what_is_imported_inside_is_covered_from_then_on(name, run):
    """A block entered before a library was imported covers it inside, and is taken back from it at the end."""
    run(f"""
        with trusted_context(cafile):
            assert not {{"requests", "urllib3"}} & set(sys.modules), "a block imports no client of its own accord"
            import {name} as module
            assert get(module)
            import urllib3.poolmanager
            assert "trusted_context" in vars(urllib3.PoolManager)["connection_from_pool_key"].__code__.co_filename
        assert refused(module) and is_clean()
        assert "trusted_context" not in vars(urllib3.PoolManager)["connection_from_pool_key"].__code__.co_filename
        with trusted_context(cafile):
            assert get(module)
    """)


def test_a_block_without_requests_imports_neither_and_leaves_no_finder(run):
    """Entering and leaving a block imports no HTTP client, and sys.meta_path is then what it was."""
    run("""
        before = list(sys.meta_path)
        with trusted_context(cafile):
            with trusted_context(cafile):
                assert len(sys.meta_path) == len(before) + 1
            assert len(sys.meta_path) == len(before) + 1
        assert sys.meta_path == before
        assert not {"requests", "urllib3"} & set(sys.modules)
        import requests
        assert refused(requests)
    """)


def test_a_client_is_looked_after_when_its_library_is_there(run):
    """Nobody pays for the clients of libraries that are not imported, and each is covered when it is."""
    run(
        """
        import sys
        ours = lambda: {name for name in sys.modules if name.startswith("trusted_context.clients.")}
        met = lambda: {name.rpartition(".for_")[2] for name in ours() if ".for_" in name}
        with trusted_context(cafile):
            assert met() == {"ssl", "urllib"}, met()
            import requests
            assert met() == {"ssl", "urllib", "urllib3"}, met()
        """
    )


def test_a_module_covered_on_import_has_its_real_loader(run):
    """Its loader, spec and resources are the real ones already inside the block, as the module itself sees them."""
    run("""
        import importlib.machinery, importlib.resources, importlib.util, inspect
        with trusted_context(cafile):
            import requests.sessions, urllib3.poolmanager
            for module in (urllib3.poolmanager, requests.sessions, requests.adapters):
                assert type(module.__loader__) is importlib.machinery.SourceFileLoader
                assert module.__spec__.loader is module.__loader__
                assert module.__spec__.origin == module.__file__
                assert "class" in inspect.getsource(module)
            assert importlib.resources.files("urllib3").joinpath("py.typed").is_file()
            assert importlib.resources.files("requests").joinpath("sessions.py").is_file()
            spec = importlib.util.find_spec("urllib3.poolmanager")
            assert spec is urllib3.poolmanager.__spec__
    """)


def test_a_module_that_is_reloaded_inside_is_covered_again(run):
    """After importlib.reload() the new class is covered as the old one is, and both are ordinary after the block."""
    run("""
        import importlib, urllib3.poolmanager
        old = urllib3.poolmanager.PoolManager
        with trusted_context(cafile):
            importlib.reload(urllib3.poolmanager)
            new = urllib3.poolmanager.PoolManager
            assert new is not old and get(urllib3)
            with new() as manager:
                assert manager.request("GET", url, retries=False).data
        assert refused(urllib3)
        for kind in (old, new):
            assert "trusted_context" not in vars(kind)["connection_from_pool_key"].__code__.co_filename
        assert is_clean()
    """)


def test_an_import_in_another_thread_is_covered(run):
    """A thread that imports requests while the block is live is covered by it, as is the thread that entered."""
    run("""
        import importlib
        seen = []
        with trusted_context(cafile):
            def work():
                seen.append(get(importlib.import_module("requests")))
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(seen) == 4 and all(seen)
            assert get(importlib.import_module("requests"))
        assert refused(importlib.import_module("requests"))
    """)


def test_an_import_that_fails_fails_as_ever_and_can_be_tried_again(run):
    """A library whose import raises is not there afterwards; where a later import works, it is covered."""
    run("""
        sys.modules["urllib3.connectionpool"] = None
        with trusted_context(cafile):
            try:
                import urllib3.poolmanager
            except ImportError as error:
                assert "urllib3.connectionpool" in str(error)
            assert "urllib3.poolmanager" not in sys.modules
            for name in [name for name in sys.modules if name.partition(".")[0] == "urllib3"]:
                del sys.modules[name]
            import urllib3
            assert get(urllib3)
        assert refused(urllib3) and is_clean()
    """)


def test_an_import_that_begins_inside_and_ends_after_the_block_is_ordinary(run):
    """A module whose import outlives the block is not touched when it is done; the next block covers it."""
    run("""
        sys.meta_path.insert(0, Finder())
        block = trusted_context(cafile).start()
        importing = threading.Thread(target=lambda: __import__("requests"))
        importing.start()
        assert begun.wait(20)
        block.stop()
        left.set()
        importing.join()
        import requests, urllib3.poolmanager
        assert type(urllib3.poolmanager.__loader__) is Slow
        assert refused(requests) and refused(urllib3) and is_clean()
        with trusted_context(cafile):
            assert get(requests)
    """)


def test_a_block_that_is_entered_in_the_middle_of_an_import_does_not_fail(run):
    """A module that another thread is importing at that moment is left alone, and covered by the next block."""
    run("""
        sys.meta_path.insert(0, Finder())
        importing = threading.Thread(target=lambda: __import__("requests"))
        importing.start()
        assert begun.wait(20)
        block = trusted_context(cafile).start()
        left.set()
        importing.join()
        block.stop()
        import requests
        assert refused(requests) and is_clean()
        with trusted_context(cafile):
            assert get(requests)
    """)


def test_a_finder_that_other_code_adds_inside_stays(run):
    """What other code does to sys.meta_path during a block is left as it is; our own finder goes."""
    run("""
        class Finder:
            def find_spec(self, name, path, target=None):
                return None

        theirs = Finder()
        with trusted_context(cafile):
            sys.meta_path.insert(0, theirs)
            import requests
            assert get(requests)
        assert sys.meta_path[0] is theirs and is_clean()
    """)


def test_a_finder_that_other_code_put_back_is_used_again_and_goes(run):
    """As a test harness does that saves the list inside a block, and restores it after."""
    run("""
        with trusted_context(cafile):
            saved = list(sys.meta_path)
        sys.meta_path = saved
        assert not is_clean()
        with trusted_context(cafile):
            import requests
            assert get(requests)
        assert refused(requests) and is_clean()
    """)


def test_a_module_that_is_nowhere_is_missing_as_ever(run):
    """By the import system's own error."""
    run("""
        with trusted_context(cafile):
            path = sys.path[:]
            sys.path[:] = [folder for folder in path if "site-packages" not in folder]
            try:
                import httpx
            except ModuleNotFoundError as error:
                assert error.name == "httpx", error.name
            else:
                raise AssertionError(httpx)
            sys.path[:] = path
        assert is_clean()
    """)


def test_a_folder_of_a_librarys_name_is_imported_as_ever(run):
    """A namespace, whose finder names no loader, is no library to cover."""
    run(
        """
        from importlib.machinery import ModuleSpec

        class Naming:
            def find_spec(self, name, path, target=None):
                return ModuleSpec(name, None, is_package=True) if name == "httpx" else None

        sys.meta_path.insert(0, Naming())
        with trusted_context(cafile):
            import httpx
        assert httpx.__file__ is None and is_clean()
    """,
        "-W",
        "ignore:httpx of unknown version",
    )


def test_the_list_of_finders_is_the_object_it_was(run):
    """What holds sys.meta_path itself holds the one in force after a block too, with what was changed meanwhile."""
    run("""
        class Finder:
            find_spec = staticmethod(lambda *_: None)

        before, finders = sys.meta_path, sys.meta_path[:]
        with trusted_context(cafile):
            pass
        assert sys.meta_path is before and before == finders
        with trusted_context(cafile):
            sys.meta_path.append(Finder())
            added = sys.meta_path[-1]
        assert sys.meta_path is before and before == [*finders, added]
        with trusted_context(cafile):
            sys.meta_path = [*sys.meta_path, added]
        assert sys.meta_path == [*finders, added, added]
    """)


def test_an_import_goes_on_while_a_block_ends(run):
    """An import that has come to the last finders asks every one of them, though ours is taken away meanwhile."""
    run("""
        class Finder:
            def find_spec(self, name, path, target=None):
                if name == "colorsys":
                    block.stop()  # in the place of another thread, that does it between two finders

        sys.meta_path.insert(len(sys.meta_path) - 1, Finder())
        block = trusted_context(cafile).start()
        import colorsys
        assert is_clean()
    """)


def test_two_finders_that_ask_each_other_come_to_an_end():
    """Another finder that walks sys.meta_path, such as a second copy of this package, asks us only once in a search."""

    class Asking:
        def find_spec(self, name, path, target=None):
            for finder in sys.meta_path:
                found = finder.find_spec(name, path, target) if finder is not self else None
                if found is not None:
                    return found
            return None

    asking = Asking()
    importing._wanted["colorsys"] = lambda _module: None
    sys.meta_path[:0] = [importing._finder, asking]
    try:
        spec = importing._finder.find_spec("colorsys", None)
    finally:
        del sys.meta_path[:2]
        del importing._wanted["colorsys"]
    assert spec.name == "colorsys"
    assert copy.copy(spec.loader).name == "colorsys"
