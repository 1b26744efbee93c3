"""Every kind of screen, by its path."""

from . import app, apps, changes, crawl, crawls, holder, location, locations, overview, records, search

KINDS = (
    overview.KIND,
    apps.KIND,
    app.KIND,
    search.KIND,
    holder.KIND,
    changes.KIND,
    records.KIND,
    locations.KIND,
    location.KIND,
    crawls.KIND,
    crawl.KIND,
)
