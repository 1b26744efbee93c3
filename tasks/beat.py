"""What the clock sends, as data. Any number of beats may run: what they send is harmless to do twice."""

schedule = {
    # Revives crawls that lost their messages; a crawl is quiet for five seconds before it counts as stalled.
    "tend": {"task": "pageturner.tend", "schedule": 5.0, "options": {"expires": 30.0, "queue": "seed"}},
}
