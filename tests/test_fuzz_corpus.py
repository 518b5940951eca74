"""What fuzzing found once stays found: the corpus of fuzz/ holds for every target, on every Python."""

import pytest
from fuzzing import FUZZ, load

TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.py"))
INPUTS = [(target, path) for target in TARGETS for path in sorted((FUZZ / "corpus" / target).iterdir())]


@pytest.fixture
def target(request):
    """What checks an input."""
    return load(request.param)


@pytest.mark.parametrize(
    ("target", "path"), INPUTS, indirect=["target"], ids=[f"{name}-{path.name}" for name, path in INPUTS]
)
def test_an_input_of_the_corpus_holds(target, path):
    """Every property of the target, for an input that is of interest or was once a fault."""
    target.check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_has_a_corpus(name):
    """A target without inputs of its own is not tried here."""
    assert any((FUZZ / "corpus" / name).iterdir())
