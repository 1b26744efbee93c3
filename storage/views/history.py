"""What the days of assets tell: what is about to run out, and what nobody has needed for a while."""

from .view import APP, AS_OF, COUNTS, PLACE, View, Words, name_of, named

#: Little is left of many: less than a twentieth, or fewer than ten, of ten or more.
_IS_LOW = "(total >= 10 AND (available < 10 OR available * 20 < total))"

#: What runs out within this many days is shown.
_SOON = 90

_SAME = "h.location_id = a.location_id AND h.adam_id = a.adam_id AND h.pricing_param = a.pricing_param"

#: More than any count: a day and a count are one number, of which the least is of the first day.
_MORE = 10_000_000_000


def _first_after(words: Words, days: int, column: str) -> str:
    """Return, of the days after one, what there was before the first of them, or on it if it is the first of all."""
    both = f"{words.day_number('d.day')} * {_MORE} + coalesce(d.was_{column}, d.{column})"
    return f"min(CASE WHEN d.day > {words.day_ago(days)} THEN {both} END)"


def _count_of(both: str) -> str:
    return f"({both} - {both} / {_MORE} * {_MORE})"


def _running_out(words: Words) -> str:
    paces = (f"1.0 * assigned_{days}d / {words.least(str(days), words.greatest('known_for', '1'))}" for days in (7, 30))
    grown = {
        days: f"CASE WHEN h.then_{days} IS NULL THEN 0 ELSE a.assigned_count - {_count_of(f'h.then_{days}')} END"
        for days in (7, 30)
    }
    need = f"pace * {_SOON} - available"
    return f"""
        SELECT location, location_uid, adam_id, name, pricing, total, assigned, available, assigned_7d, assigned_30d,
            CASE WHEN pace > 0 THEN {words.floor("available / pace")} END AS days_left,
            CASE WHEN {need} > 0 THEN {words.floor(f"{need} + 0.999999")} ELSE 0 END AS buy_for_90_days, as_of
        FROM (SELECT counted.*, {words.greatest(*paces)} AS pace FROM (
            SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name,
                a.pricing_param AS pricing, a.total_count AS total, a.assigned_count AS assigned,
                a.available_count AS available, {grown[7]} AS assigned_7d, {grown[30]} AS assigned_30d,
                coalesce(h.known_for, 30) AS known_for, s.seen_at AS as_of
            FROM mirror_assets a
            JOIN locations l ON l.id = a.location_id AND l.is_watched
            JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
            LEFT JOIN (SELECT d.location_id, d.adam_id, d.pricing_param,
                    {_first_after(words, 7, "assigned")} AS then_7, {_first_after(words, 30, "assigned")} AS then_30,
                    max(CASE WHEN d.was_assigned IS NULL THEN {words.days_since("d.day")} END) AS known_for
                FROM asset_days d WHERE d.day > {words.day_ago(30)}
                GROUP BY d.location_id, d.adam_id, d.pricing_param) h ON {_SAME}
            {named("a")}
            WHERE a.total_count > 0) counted) paced
        WHERE available <= 0 OR (pace > 0 AND available < pace * {_SOON}) OR {_IS_LOW}"""


def _idle(words: Words) -> str:
    # PostgreSQL thinks too little of what it costs to look days up asset by asset. `+ 0` makes it read them all once.
    fewest = {
        days: f"""min(CASE WHEN d.day > {words.day_ago(days)}
            THEN {words.least("d.available", "coalesce(d.was_available, d.available)")} END)"""
        for days in (30, 90)
    }
    idle = {
        days: words.least("a.available_count", f"coalesce(h.fewest_{days}, a.available_count)") for days in (30, 90)
    }
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name,
            a.pricing_param AS pricing, a.total_count AS total, a.available_count AS available,
            {idle[30]} AS idle_30d, {idle[90]} AS idle_90d, coalesce(h.free_for, h.known_for, 90) AS free_for_days,
            a.available_count AS transferable, coalesce(x.places, 0) AS short_elsewhere, s.seen_at AS as_of
        FROM mirror_assets a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'assets'
        LEFT JOIN (SELECT d.location_id, d.adam_id, d.pricing_param,
                {fewest[30]} AS fewest_30, {fewest[90]} AS fewest_90,
                min(CASE WHEN d.was_available < n.available_count THEN {words.days_since("d.day")} END) AS free_for,
                max(CASE WHEN d.was_assigned IS NULL THEN {words.days_since("d.day")} END) AS known_for
            FROM asset_days d
            JOIN mirror_assets n ON n.location_id = d.location_id + 0 AND n.adam_id = d.adam_id
                AND n.pricing_param = d.pricing_param
            WHERE d.day > {words.day_ago(90)}
            GROUP BY d.location_id, d.adam_id, d.pricing_param) h ON {_SAME}
        LEFT JOIN (SELECT y.adam_id, y.pricing_param, count(*) AS places FROM mirror_assets y
            JOIN locations z ON z.id = y.location_id AND z.is_watched
            WHERE y.available_count <= 0 GROUP BY y.adam_id, y.pricing_param) x
            ON x.adam_id = a.adam_id AND x.pricing_param = a.pricing_param
        {named("a")}
        WHERE {idle[30]} > 0"""


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
    shown=("name", "location", "available", "total", "days_left", "buy_for_90_days", "assigned_30d", "assigned_7d"),
    order=("days_left", "available", "name", "location"),
    example="SELECT name, location, days_left, buy_for_90_days FROM running_out WHERE days_left < 14",
    query=_running_out,
    key=("location_uid", "adam_id", "pricing"),
    lists=("assets",),
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
        "free_for_days": "for how many days at least as many were free as now; 90 for that and more",
        "transferable": "licences that Apple lets another place have: those that are left",
        "short_elsewhere": "how many other places have none left",
        **AS_OF,
    },
    shown=("name", "location", "available", "free_for_days", "short_elsewhere", "idle_90d", "idle_30d", "total"),
    order=("-short_elsewhere", "-idle_30d", "name", "location"),
    example="SELECT name, location, idle_90d FROM idle WHERE short_elsewhere > 0 ORDER BY idle_90d DESC",
    query=_idle,
    key=("location_uid", "adam_id", "pricing"),
    lists=("assets",),
)
