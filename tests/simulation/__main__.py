"""Play one life: `python -m tests.simulation SEED` prints what happened in it."""

import sys

from .life import Life


def play(seed: int) -> None:
    """Play the life of a seed, and print what happened."""
    life = Life(seed)
    try:
        life.live()
    finally:
        print("\n".join(life.log))  # noqa: T201 - this is a program


play(int(sys.argv[1]))
