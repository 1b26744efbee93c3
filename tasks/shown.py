"""What Flower shows as the result of a task."""

from orchestration.decisions.ended import Ended


class Shown:
    """The result of a task: Flower shows its words, and a chord carries nothing of them."""

    def __init__(self, outcome: Ended | None) -> None:
        self._words = "" if outcome is None else outcome.words

    def __repr__(self) -> str:
        return self._words

    def __json__(self) -> None:
        """Be nothing in a message."""
