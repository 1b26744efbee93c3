"""What the days of assets tell: what is about to run out, and what nobody has needed for a while."""

from .view import APP, AS_OF, COUNTS, PLACE, View, Words, name_of, named

#: Little is left of many: less than a twentieth, or fewer than ten, of ten or more.
_IS_LOW = "(total >= 10 AND (available < 10 OR available * 20 < total))"

#: What runs out within this many days is shown.
_SOON = 90

_OF_ASSET = "d.location_id = a.location_id AND d.adam_id = a.adam_id AND d.pricing_param = a.pricing_param"


def _on(column: str, day: str) -> str:
    """Return a count at the end of a day; of an asset that was not known then, on its first day."""
    days = f"SELECT d.{column} FROM asset_days d WHERE {_OF_ASSET}"
    return f"coalesce(({days} AND d.day <= {day} ORDER BY d.day DESC LIMIT 1), ({days} ORDER BY d.day LIMIT 1))"


def _known_for(words: Words) -> str:
    return words.days_since(f"(SELECT min(d.day) FROM asset_days d WHERE {_OF_ASSET})")


def _running_out(words: Words) -> str:
    paces = (f"1.0 * assigned_{days}d / {words.least(str(days), words.greatest('known_for', '1'))}" for days in (7, 30))
    need = f"pace * {_SOON} - available"
    return f"""
        SELECT location, location_uid, adam_id, name, pricing, total, assigned, available, assigned_7d, assigned_30d,
            CASE WHEN pace > 0 THEN {words.floor("available / pace")} END AS days_left,
            CASE WHEN {need} > 0 THEN {words.floor(f"{need} + 0.999999")} ELSE 0 END AS buy_for_90_days, as_of
        FROM (SELECT counted.*, {words.greatest(*paces)} AS pace FROM (
            SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name,
                a.pricing_param AS pricing, a.total_count AS total, a.assigned_count AS assigned,
                a.available_count AS available,
                a.assigned_count - {_on("assigned", words.day_ago(7))} AS assigned_7d,
                a.assigned_count - {_on("assigned", words.day_ago(30))} AS assigned_30d,
                {_known_for(words)} AS known_for, s.seen_at AS as_of
            FROM mirror_assets a
            JOIN locations l ON l.id = a.location_id AND l.is_watched
            JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
            {named("a")}
            WHERE a.total_count > 0) counted) paced
        WHERE available <= 0 OR (pace > 0 AND available < pace * {_SOON}) OR {_IS_LOW}"""


def _idle(words: Words) -> str:
    def fewest(days: int) -> str:
        since = words.day_ago(days)
        within = f"SELECT min(d.available) FROM asset_days d WHERE {_OF_ASSET} AND d.day > {since}"
        return words.least(
            "a.available_count", f"coalesce(({within}), a.available_count)", f"coalesce({_on('available', since)}, 0)"
        )

    fewer = f"SELECT max(d.day) FROM asset_days d WHERE {_OF_ASSET} AND d.available < a.available_count"
    free = f"coalesce({words.days_since(f'({fewer})')}, {_known_for(words)}, 0)"
    return f"""
        SELECT location, location_uid, adam_id, name, pricing, total, available, idle_30d, idle_90d, free_for_days,
            transferable, short_elsewhere, as_of
        FROM (
            SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name,
                a.pricing_param AS pricing, a.total_count AS total, a.available_count AS available,
                {fewest(30)} AS idle_30d, {fewest(90)} AS idle_90d, {free} AS free_for_days,
                a.available_count AS transferable,
                sum(CASE WHEN a.available_count <= 0 THEN 1 ELSE 0 END)
                    OVER (PARTITION BY a.adam_id, a.pricing_param) AS short_elsewhere, s.seen_at AS as_of
            FROM mirror_assets a
            JOIN locations l ON l.id = a.location_id AND l.is_watched
            JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
            {named("a")}) counted
        WHERE idle_30d > 0"""


RUNNING_OUT = View(
    name="running_out",
    about="What is about to run out, when, and how many to buy?",
    columns={
        **PLACE,
        **APP,
        "pricing": "STDQ or PLUS",
        **{name: about for name, about in COUNTS.items() if name != "retired"},
        "assigned_7d": "how many more are assigned than seven days ago, or than when it was first seen",
        "assigned_30d": "how many more are assigned than thirty days ago, or than when it was first seen",
        "days_left": "until none is left, at the faster of the paces of 7 and of 30 days; null if fewer are assigned",
        "buy_for_90_days": "how many to buy so that they last for ninety days at that pace",
        **AS_OF,
    },
    shown=("name", "location", "available", "total", "assigned_7d", "assigned_30d", "days_left", "buy_for_90_days"),
    order="coalesce(days_left, 1000000), available, name, location",
    example="SELECT name, location, days_left, buy_for_90_days FROM running_out WHERE days_left < 14",
    query=_running_out,
)

IDLE = View(
    name="idle",
    about="What do we pay for, and nobody uses?",
    columns={
        **PLACE,
        **APP,
        "pricing": "STDQ or PLUS",
        "total": "licences owned",
        "available": "licences left",
        "idle_30d": "licences that were free all the time for thirty days, or since it was first seen",
        "idle_90d": "the same for ninety days",
        "free_for_days": "for how many days at least as many were free as now",
        "transferable": "licences that Apple lets another place have: those that are left",
        "short_elsewhere": "how many other places have none left",
        **AS_OF,
    },
    shown=("name", "location", "total", "available", "idle_30d", "idle_90d", "free_for_days", "short_elsewhere"),
    order="short_elsewhere DESC, idle_30d DESC, name, location",
    example="SELECT name, location, idle_90d FROM idle WHERE short_elsewhere > 0 ORDER BY idle_90d DESC",
    query=_idle,
)
