"""Ages: how long ago something was, for a person."""

from datetime import timedelta


def spell_age(age: timedelta) -> str:
    """Write an age for a person."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
