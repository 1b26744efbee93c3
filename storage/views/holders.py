"""Who holds what: devices and users, and users who are gone."""

from .view import APP, AS_OF, PLACE, View, Words, name_of, named


def _holders(words: Words) -> str:
    del words
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, a.adam_id, {name_of("a")} AS name, a.pricing_param AS pricing,
            CASE WHEN a.serial_number <> '' THEN 'device' ELSE 'user' END AS holder_kind,
            nullif(a.serial_number, '') AS serial_number, nullif(a.client_user_id, '') AS client_user_id,
            u.email, coalesce(u.status, a.user_status) AS user_status, s.seen_at AS as_of
        FROM mirror_assignments a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'assignments'
        LEFT JOIN mirror_users u
            ON u.location_id = a.location_id AND u.standing = 'active' AND u.identity = a.client_user_id
            AND a.client_user_id <> ''
        {named("a")}"""


def _leavers(words: Words) -> str:
    del words
    return f"""
        SELECT l.name AS location, l.uid AS location_uid, a.client_user_id,
            (SELECT max(r.email) FROM mirror_users r WHERE r.location_id = a.location_id
                AND r.standing = 'retired' AND r.client_user_id = a.client_user_id) AS email,
            CASE WHEN EXISTS (SELECT 1 FROM mirror_users r WHERE r.location_id = a.location_id
                AND r.standing = 'retired' AND r.client_user_id = a.client_user_id)
                THEN 'retired' ELSE 'unknown' END AS reason,
            a.adam_id, {name_of("a")} AS name, a.pricing_param AS pricing, x.revocable, s.seen_at AS as_of
        FROM mirror_assignments a
        JOIN locations l ON l.id = a.location_id AND l.is_watched
        JOIN streams s ON s.location_id = l.id AND s.resource = 'users' AND s.is_watched
            AND s.published_at IS NOT NULL
        LEFT JOIN mirror_assets x ON x.location_id = a.location_id AND x.adam_id = a.adam_id
            AND x.pricing_param = a.pricing_param
        {named("a")}
        WHERE a.client_user_id <> '' AND NOT EXISTS (SELECT 1 FROM mirror_users u
            WHERE u.location_id = a.location_id AND u.standing = 'active' AND u.identity = a.client_user_id)"""


HOLDERS = View(
    name="holders",
    about="Who, or which device, has an app? What does a person or a device have?",
    columns={
        **PLACE,
        **APP,
        "pricing": "STDQ or PLUS",
        "holder_kind": "device or user",
        "serial_number": "the device",
        "client_user_id": "the user, as the device management calls him or her",
        "email": "the user's address",
        "user_status": "Registered, Associated or Retired",
        **AS_OF,
    },
    shown=("name", "location", "serial_number", "client_user_id", "email", "user_status", "adam_id"),
    order=("name", "location", "serial_number", "client_user_id"),
    example="SELECT name, location FROM holders WHERE serial_number = 'F9FX00000001'",
    query=_holders,
    key=("location_uid", "serial_number", "client_user_id", "adam_id", "pricing"),
    lists=("assignments", "users"),
)

LEAVERS = View(
    name="leavers",
    about="Which licences are held by users who are gone?",
    columns={
        **PLACE,
        "client_user_id": "the user, as the device management calls him or her",
        "email": "the address of the user who was retired",
        "reason": "retired, or unknown if no list has that user",
        **APP,
        "pricing": "STDQ or PLUS",
        "revocable": "whether it can be taken back",
        **AS_OF,
    },
    shown=("client_user_id", "name", "location", "reason", "revocable", "email", "adam_id"),
    order=("location", "client_user_id", "name"),
    example="SELECT location, count(*) FROM leavers WHERE revocable GROUP BY location",
    query=_leavers,
    key=("location_uid", "client_user_id", "adam_id", "pricing"),
    lists=("assignments", "users"),
)
