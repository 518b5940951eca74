"""Coverage-guided fuzzing of the reader of CA material: python tests/fuzz/fuzz_bundles.py -max_total_time=60.

It needs atheris, starts from corpus/ beside it, and checks what tests/bundle_rules.py says. Options are libFuzzer's.
"""

import pathlib
import sys

import atheris

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

with atheris.instrument_imports(include=["trusted_context.sources"]):
    import bundle_rules

    from trusted_context.sources import elements, forms, others, overlooked, parts, pem  # noqa: F401  # instrumented


def main():
    """Fuzz, with the corpus unless folders are named; what is found is not written into it."""
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    # Of these each may be new, and libFuzzer writes what it finds into the first.
    arguments = sys.argv if folders else [*sys.argv, str(HERE / "found"), str(HERE / "corpus")]
    (HERE / "found").mkdir(exist_ok=True)
    atheris.Setup(arguments, bundle_rules.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
