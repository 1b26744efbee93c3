"""What a shell completes: names of locations, resources and reports."""

from settings import read_settings


def location_names(incomplete: str) -> list[str]:
    """Return the names of the locations that begin so. A shell that completes has no place for errors."""
    from .context import with_store

    try:
        settings = read_settings()
        if settings.database_url is None and not settings.home.exists():
            return []
        with with_store() as services:
            return [one.name for one in services.store.locations.watched() if one.name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - see above
        return []


def resource_names(incomplete: str) -> list[str]:
    """Return the resources that begin so."""
    from apple.resources import RESOURCES

    return [name for name in RESOURCES if name.startswith(incomplete)]


def report_names(incomplete: str) -> list[str]:
    """Return the reports that begin so."""
    from storage.views import VIEWS

    return [name for name in VIEWS if name.startswith(incomplete)]
