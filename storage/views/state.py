"""The state of places, what changed lately, and what the store says of apps."""

from .view import APP, AS_OF, PLACE, View, Words, named


def _locations_health(words: Words) -> str:
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, l.organisation, l.apple_name, l.country, l.state,
            l.token_expires, l.owner_name AS held_by, min(s.full_at) AS last_full, min(s.seen_at) AS last_delta,
            {words.age("min(s.seen_at)")} AS age_seconds, count(*) AS lists,
            sum(CASE WHEN s.seen_at IS NULL THEN 1 ELSE 0 END) AS unread,
            sum(CASE WHEN s.failures > 0 THEN 1 ELSE 0 END) AS failing,
            CAST(coalesce(sum(s.held_deletes), 0) AS BIGINT) AS held_deletes,
            coalesce(l.problem, max(s.problem)) AS error, min(s.seen_at) AS as_of
        FROM locations l JOIN streams s ON s.location_id = l.id AND s.is_watched
        WHERE l.is_watched
        GROUP BY l.id, l.name, l.uid, l.organisation, l.apple_name, l.country, l.state, l.token_expires, l.owner_name,
            l.problem"""


def _recent_changes(words: Words) -> str:
    record = "coalesce(c.after, c.before)"
    adam_id = words.text(record, "adamId")
    return f"""
        SELECT c.seq, c.at, l.name AS location, l.uid AS location_uid, c.resource, c.op, c.adam_id,
            coalesce(own.name, public.name, c.adam_id) AS name, c.pricing, c.serial_number, c.client_user_id,
            c.before, c.after, c.crawl_id AS crawl, c.at AS as_of
        FROM (SELECT c.*, {adam_id} AS adam_id, {words.text(record, "pricingParam")} AS pricing,
                {words.text(record, "serialNumber")} AS serial_number,
                {words.text(record, "clientUserId")} AS client_user_id
            FROM changes c WHERE c.at >= {words.days_ago(30)}) c
        JOIN locations l ON l.id = c.location_id
        {named("c")}"""


def _apps(words: Words) -> str:
    return f"""
        SELECT p.adam_id, p.name, p.publisher, p.bundle_id, p.kind, {words.joined("p.platforms")} AS platforms,
            p.genre, p.version, p.minimum_os, p.price, p.url, p.icon_url, p.is_custom, p.country,
            p.found_country, nullif(p.owner, '') AS location_uid, p.missing_since, p.as_of,
            p.catalogue
        FROM listings p"""


LOCATIONS_HEALTH = View(
    name="locations_health",
    about="Are the tokens and lists of each place in order?",
    columns={
        **PLACE,
        "organisation": "the organisation, as the token names it",
        "apple_name": "what Apple calls the place",
        "country": "the country of its store",
        "state": "of the token: valid, expired, revoked, wrong or foreign",
        "token_expires": "when the token expires",
        "held_by": "the service that manages the place, by its own name",
        "last_full": "when every list was last read in full",
        "last_delta": "when every list was last in step",
        "age_seconds": "how long ago that was",
        "lists": "how many lists are mirrored",
        "unread": "how many of them were never read",
        "failing": "how many of them failed last time",
        "held_deletes": "deletes that a person has to accept",
        "error": "what is the matter",
        **AS_OF,
    },
    shown=(
        "location",
        "state",
        "age_seconds",
        "token_expires",
        "failing",
        "unread",
        "held_deletes",
        "error",
        "held_by",
        "country",
    ),
    order=("-failing", "-unread", "token_expires", "location"),
    example="SELECT location, state, token_expires FROM locations_health ORDER BY token_expires LIMIT 10",
    query=_locations_health,
    key=("location_uid",),
)

RECENT_CHANGES = View(
    name="recent_changes",
    about="What has changed in the last thirty days?",
    columns={
        "seq": "the number of the change in the feed",
        "at": "when the mirror saw it",
        **PLACE,
        "resource": "the list that changed",
        "op": "insert, update or delete",
        **APP,
        "pricing": "STDQ or PLUS",
        "serial_number": "the device that it is about",
        "client_user_id": "the user that it is about",
        "before": "the record before, in JSON",
        "after": "the record after, in JSON",
        "crawl": "the crawl that read it",
        "as_of": "the same as `at`",
    },
    shown=("at", "op", "resource", "name", "serial_number", "client_user_id", "location", "seq"),
    order=("-seq",),
    indexed=("seq",),
    example="SELECT at, op, name, serial_number FROM recent_changes WHERE resource "
    "= 'assignments' ORDER BY seq DESC LIMIT 20",
    query=_recent_changes,
    key=("seq",),
)

APPS = View(
    name="apps",
    about="What does the store say of each app and book?",
    columns={
        "adam_id": "Apple's number of the app or book, as a text",
        "name": "its name in the store; null where no store has said one",
        "publisher": "who made it",
        "bundle_id": "its bundle id",
        "kind": "in the store's words: iosSoftware, desktopApp, epubBook",
        "platforms": "for which devices, in the store's words",
        "genre": "what it is about",
        "version": "the latest",
        "minimum_os": "the least system that it runs on",
        "price": "with its currency's sign",
        "url": "its page in the store",
        "icon_url": "its icon",
        "is_custom": "whether it was made for one organisation",
        "country": "from which country's store locations see it",
        "found_country": "in which country's store it was found",
        "location_uid": "the one location that sees it; null if all do",
        "missing_since": "since when no store has it any more",
        "as_of": "when the store said so last",
        "catalogue": "in which of the store's catalogues it was looked for",
    },
    shown=("name", "publisher", "platforms", "version", "price", "bundle_id", "country", "adam_id"),
    order=("name", "adam_id", "country"),
    example="SELECT adam_id, name, bundle_id, version FROM apps WHERE missing_since IS NULL AND NOT is_custom",
    query=_apps,
    key=("adam_id", "country", "catalogue", "location_uid"),
    lists=("assets",),
)
