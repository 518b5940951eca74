"""The extension in a real kernel: loaded and unloaded in odd ways, and used by code in a magic's place."""

import pytest
from test_notebook import BAD, GOOD, kernel, pytestmark, shared_kernel

__all__ = ["kernel", "pytestmark", "shared_kernel"]


def test_loading_and_unloading_twice_is_as_once(kernel, ca_file):
    """As by a program that calls IPython's hooks itself, whoever has called them before."""
    kernel.run("from trusted_context.ipython import load_ipython_extension, unload_ipython_extension")
    kernel.run("for _ in range(2):\n    load_ipython_extension(get_ipython())")
    names = "[one for one in get_ipython().input_transformers_cleanup if 'trusted' in one.__module__]"
    assert kernel.run(f"print(len({names}))").printed.strip() == "1"
    assert not kernel.run("for _ in range(2):\n    unload_ipython_extension(get_ipython())").error
    assert kernel.run(f"print(len({names}))").printed.strip() == "0"
    kernel.run("load_ipython_extension(get_ipython())")
    assert kernel.run(f"%%trusted_context {ca_file}\nfetch()").result["text/plain"] == repr(GOOD)


def test_a_magic_of_that_name_that_was_there_before_is_there_after(kernel):
    """Another's is put back."""
    kernel.run("%unload_ext trusted_context")
    kernel.run("get_ipython().register_magic_function(lambda line: 'theirs', 'line', 'trusted_context')")
    kernel.run("%load_ext trusted_context")
    assert "no block governs" in kernel.run("%trusted_context").printed
    kernel.run("%unload_ext trusted_context")
    assert kernel.run("%trusted_context").result["text/plain"] == "'theirs'"
    kernel.run("del get_ipython().magics_manager.magics['line']['trusted_context']\n%load_ext trusted_context")


def test_code_may_run_a_cell_under_the_magic(kernel, ca_file):
    """By IPython's own function for it."""
    ran = kernel.run(f"get_ipython().run_cell_magic('trusted_context', {str(ca_file)!r}, 'print(fetch())')")
    assert ran.printed.strip() == GOOD
    assert kernel.run("print(fetch())").printed.strip() == BAD


def test_the_cell_that_loads_the_extension_may_use_it(kernel, ca_file):
    """What is entered in it ends with it."""
    kernel.run("%unload_ext trusted_context")
    inner = f"%%trusted_context {ca_file}\nprint(fetch())"
    ran = kernel.run(f"%load_ext trusted_context\nexec(get_ipython().transform_cell({inner!r}))")
    assert ran.printed.strip() == GOOD
    assert kernel.run("print(fetch())").printed.strip() == BAD


@pytest.mark.parametrize("times", [1, 2])
def test_start_between_two_cells_replaces_nothing(kernel, ca_file, times):
    """A callback of the kernel's loop belongs to no cell."""
    kernel.run(f"block = trusted_context.trusted_context({str(ca_file)!r})")
    kernel.run(f"for _ in range({times}):\n    asyncio.get_event_loop().call_soon(block.start)")
    kernel.run("await asyncio.sleep(0)")
    assert kernel.run("print(fetch())").printed.strip() == GOOD
    kernel.run(f"for _ in range({times}):\n    block.stop()")
    assert kernel.run("print(fetch(), current())").printed.split() == [BAD, "None"]
