"""The names of resources as a person types them."""

from apple.resources import RESOURCES

from ..exits import Exit, Failure


def check_resources(names: list[str]) -> None:
    """Refuse a name that is no resource."""
    unknown = [name for name in names if name not in RESOURCES]
    if unknown or not names:
        known = ", ".join(RESOURCES)
        raise Failure(f"There is no resource '{', '.join(unknown)}'; there are {known}.", Exit.USAGE)
