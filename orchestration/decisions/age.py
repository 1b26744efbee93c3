"""An age as a person reads it."""

from datetime import timedelta


def spell_age(age: timedelta) -> str:
    """Return an age in its largest unit: 90 s, 2 min, 36 h, 2 d."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
