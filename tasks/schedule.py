"""What the scheduler sends, as data. Several beats may run: each chore is claimed in the database by one of them."""

from orchestration.scheduler import (
    DELIVER_EVERY,
    NAMES_EVERY,
    REFRESH_EVERY,
    SWEEP_EVERY,
    TELL_EVERY,
    TEND_EVERY,
    TICK_EVERY,
)

#: A chore that no worker took in time is dropped: the next one does its work.
_OPTIONS = {"queue": "clock", "expires": 300.0}

schedule = {
    # Finds what is due, and the notices that were not handled.
    "tick": {"task": "pageturner.tick", "schedule": TICK_EVERY, "options": _OPTIONS},
    # Revives crawls that lost their messages; a crawl is quiet for five seconds before it counts as stalled.
    "tend": {"task": "pageturner.tend", "schedule": TEND_EVERY, "options": _OPTIONS},
    # Asks Apple once a day about each token, some of them each minute.
    "refresh": {"task": "pageturner.refresh_all", "schedule": REFRESH_EVERY, "options": _OPTIONS},
    # Looks up the names of apps.
    "name": {"task": "pageturner.name", "schedule": NAMES_EVERY, "options": _OPTIONS},
    # Tells hooks what changed, and people what they have to know.
    "deliver": {"task": "pageturner.deliver", "schedule": DELIVER_EVERY, "options": _OPTIONS | {"queue": "messages"}},
    "tell": {"task": "pageturner.tell", "schedule": TELL_EVERY, "options": _OPTIONS | {"queue": "messages"}},
    # Drops old pages, crawls and notices.
    "sweep": {"task": "pageturner.sweep", "schedule": SWEEP_EVERY, "options": _OPTIONS},
}
