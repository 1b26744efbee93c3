"""Whatever comes over the wire is read, or refused in our own words."""

from tests.support.fuzzer import TARGETS, foreign_errors

#: Long enough for some ten thousand inputs; `make fuzz` takes as long as one likes.
SECONDS = 4


def test_no_reader_raises_a_foreign_error():
    """Spoiled inputs of every reader, from a seed, bring no error but those that callers know."""
    assert list(foreign_errors(SECONDS, seed=1)) == []


def test_every_sample_is_read():
    """The inputs that are spoiled are good ones: what is refused is refused for what was spoiled."""
    for target in TARGETS:
        if target.name not in {"date", "Date"}:
            for sample in target.samples:
                target.read(sample)
