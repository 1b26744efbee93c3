"""What is owned, used and left: licences of each app in each place, over all places, and seats of subscriptions."""

from .view import APP, AS_OF, COUNTS, PLACE, View, Words, name_of, named, said


def _licences(words: Words) -> str:
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name,
            {said("publisher")} AS publisher, {said("bundle_id")} AS bundle_id, a.product_type AS kind,
            a.pricing_param AS pricing, a.total_count AS total, a.assigned_count AS assigned,
            a.available_count AS available, a.retired_count AS retired,
            round(100.0 * a.assigned_count / nullif(a.total_count, 0), 1) AS used_percent,
            a.device_assignable, a.revocable, {words.joined("a.supported_platforms")} AS platforms,
            {said("price")} AS price, s.seen_at AS as_of
        FROM mirror_assets a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
        {named("a")}"""


def _across(words: Words) -> str:
    del words
    sums = ", ".join(
        f"CAST(sum(a.{name}_count) OVER everywhere AS BIGINT) AS {name}_everywhere"
        for name in ("total", "assigned", "available")
    )
    return f"""
        SELECT a.adam_id, {name_of("a")} AS name, a.pricing_param AS pricing, l.name AS location,
            l.uid AS location_uid, l.country, a.total_count AS total, a.assigned_count AS assigned,
            a.available_count AS available, count(*) OVER everywhere AS locations, {sums},
            max(a.available_count) OVER everywhere - min(a.available_count) OVER everywhere AS spread,
            s.seen_at AS as_of
        FROM mirror_assets a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
        {named("a")}
        WINDOW everywhere AS (PARTITION BY a.adam_id, a.pricing_param)"""


def _mismatches(words: Words) -> str:
    del words
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name, a.pricing_param AS pricing,
            a.total_count AS total, a.assigned_count AS assigned, a.available_count AS available,
            a.retired_count AS retired, coalesce(g.given, 0) AS assignments,
            a.total_count - a.assigned_count - a.available_count - a.retired_count AS unexplained,
            a.assigned_count - coalesce(g.given, 0) AS unlisted, s.seen_at AS as_of
        FROM mirror_assets a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
        JOIN streams t ON t.location_id = l.id AND t.resource = 'assignments' AND t.is_watched
            AND t.published_at IS NOT NULL
        LEFT JOIN (SELECT location_id, adam_id, pricing_param, count(*) AS given FROM mirror_assignments
            GROUP BY location_id, adam_id, pricing_param) g
            ON g.location_id = a.location_id AND g.adam_id = a.adam_id AND g.pricing_param = a.pricing_param
        {named("a")}
        WHERE a.assigned_count <> coalesce(g.given, 0)
            OR a.total_count <> a.assigned_count + a.available_count + a.retired_count"""


def _seats(words: Words) -> str:
    def seats(kind: str) -> str:
        both = (f"coalesce({words.number('b.counts', kind, which)}, 0)" for which in ("renewing", "expiring"))
        return f"{' + '.join(both)} AS {kind}"

    return f"""
        SELECT l.name AS location, l.uid AS location_uid, b.adam_id, {name_of("b")} AS name,
            b.parent_adam_id, b.status, {seats("total")}, {seats("assigned")}, {seats("available")},
            {words.number("b.counts", "total", "expiring")} AS expiring, b.period_end_date AS renews_or_ends,
            s.seen_at AS as_of
        FROM mirror_subscriptions b
        JOIN locations l ON l.id = b.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'subscriptions'
        {named("b")}"""


LICENCES = View(
    name="licences",
    about="What do we own, use and have left, of each app and in each place?",
    columns={
        **PLACE,
        **APP,
        "publisher": "who made it",
        "bundle_id": "its bundle id",
        "kind": "App or Book",
        "pricing": "STDQ, or PLUS for what is redeemed at a higher quality",
        **COUNTS,
        "used_percent": "assigned of total",
        "device_assignable": "whether a device can have it without a person",
        "revocable": "whether it can be taken back",
        "platforms": "where it runs, as the licence says",
        "price": "in the store of the location's country",
        **AS_OF,
    },
    shown=(
        "name",
        "location",
        "total",
        "assigned",
        "available",
        "used_percent",
        "kind",
        "price",
        "publisher",
        "adam_id",
    ),
    order=("available", "-total", "name", "location"),
    example="SELECT name, location, available FROM licences WHERE available < 5 AND total >= 10 ORDER BY available",
    query=_licences,
    key=("location_uid", "adam_id", "pricing"),
    lists=("assets",),
)

ACROSS = View(
    name="across",
    about="Which places have the same app, and how much of it is left where?",
    columns={
        **APP,
        "pricing": "STDQ or PLUS",
        **PLACE,
        "country": "the country of the location's store",
        "total": "licences owned there",
        "assigned": "licences given there",
        "available": "licences left there",
        "locations": "how many places have it",
        "total_everywhere": "licences owned in all places",
        "assigned_everywhere": "licences given in all places",
        "available_everywhere": "licences left in all places",
        "spread": "between the places that have most and least left",
        **AS_OF,
    },
    shown=(
        "name",
        "location",
        "total",
        "assigned",
        "available",
        "available_everywhere",
        "locations",
        "adam_id",
    ),
    order=("-spread", "name", "adam_id", "location"),
    example="SELECT name, location, available FROM across WHERE locations > 1 AND spread > 100",
    query=_across,
    key=("location_uid", "adam_id", "pricing"),
    lists=("assets",),
)

MISMATCHES = View(
    name="mismatches",
    about="Which counts do not add up?",
    columns={
        **PLACE,
        **APP,
        "pricing": "STDQ or PLUS",
        **COUNTS,
        "assignments": "how many assignments the mirror has",
        "unexplained": "total without assigned, available and retired",
        "unlisted": "assigned without the assignments of the mirror",
        **AS_OF,
    },
    shown=(
        "name",
        "location",
        "total",
        "assigned",
        "available",
        "retired",
        "assignments",
        "unexplained",
        "unlisted",
    ),
    order=("location", "name"),
    example="SELECT location, name, unlisted FROM mismatches WHERE unlisted <> 0",
    query=_mismatches,
    key=("location_uid", "adam_id", "pricing"),
    lists=("assets", "assignments"),
)

SEATS = View(
    name="seats",
    about="How many seats of each subscription are used, and when does it end?",
    columns={
        **PLACE,
        **APP,
        "parent_adam_id": "the app that it belongs to",
        "status": "as Apple says",
        "total": "seats owned",
        "assigned": "seats given",
        "available": "seats left",
        "expiring": "seats that are not renewed",
        "renews_or_ends": "when the period ends",
        **AS_OF,
    },
    shown=("name", "location", "total", "assigned", "available", "expiring", "renews_or_ends", "status"),
    order=("available", "name", "location"),
    example="SELECT name, location, available, renews_or_ends FROM seats WHERE expiring > 0",
    query=_seats,
    key=("location_uid", "adam_id"),
    lists=("subscriptions",),
)
