"""Comparison: what Apple says beside what a file says."""

from orchestration.decisions.comparison import App, Apps, Mismatch, compare_counts, compare_holders

KEYNOTE = App(adam_id="100", name="Keynote", bundle_id="com.apple.Keynote", total=620, assigned=617, available=3)
PAGES = App(adam_id="200", name="Pages", bundle_id=None, total=10, assigned=0, available=10)
APPS = Apps([KEYNOTE, PAGES])


def shown(differences):
    """Return what the differences say, in short."""
    return [(one.difference, one.name, one.counted, one.at_apple, one.in_file) for one in differences]


def test_an_app_by_any_of_its_names():
    """A file may call an app by its number, its bundle id or its name, in any case; what is nobody's stays unknown."""
    assert [APPS.called(word) for word in ("100", "COM.apple.keynote", "keynote", "KeyShot")] == ["100"] * 3 + [None]


def test_a_name_of_several_apps():
    """A name that two apps have finds neither of them."""
    apps = Apps([KEYNOTE, App(adam_id="101", name="keynote", bundle_id=None, total=1, assigned=1, available=0)])
    assert apps.called("Keynote") is None
    assert apps.is_ambiguous("Keynote")
    assert not apps.is_ambiguous("com.apple.Keynote")


def test_counts_that_differ():
    """Equal counts are not listed; others are, with both; so is what only one of the two has."""
    in_file = {"Keynote": {"assigned": 600, "total": 620}, "Acme": {"assigned": 5, "total": 9}}
    assert shown(compare_counts(APPS, in_file)) == [
        (Mismatch.COUNTS_DIFFER, "Keynote", "assigned", 617, 600),
        (Mismatch.ONLY_AT_APPLE, "Pages", "assigned", 0, 0),
        (Mismatch.ONLY_AT_APPLE, "Pages", "total", 10, 0),
        (Mismatch.ONLY_IN_FILE, "Acme", "assigned", 0, 5),
        (Mismatch.ONLY_IN_FILE, "Acme", "total", 0, 9),
    ]


def test_rows_of_one_app_are_added():
    """An app that a file calls by two names is counted with both."""
    in_file = {"Keynote": {"total": 600}, "100": {"total": 20}, "Pages": {"total": 10}}
    assert shown(compare_counts(APPS, in_file)) == []


def test_holders_at_one_of_the_two():
    """A holder of an app is listed where only one of the two knows it."""
    ours = {("device", "A", "100"), ("device", "B", "100")}
    theirs = {("device", "B", "100"), ("device", "C", "100"), ("device", "C", "Acme")}
    found = list(compare_holders(ours, theirs, APPS))
    assert [(one.difference, one.serial_number, one.name, one.adam_id) for one in found] == [
        (Mismatch.ONLY_AT_APPLE, "A", "Keynote", "100"),
        (Mismatch.ONLY_IN_FILE, "C", "Keynote", "100"),
        (Mismatch.ONLY_IN_FILE, "C", "Acme", None),
    ]


def test_holders_of_any_app():
    """Where a file names no apps, a holder is listed once, with how many licences it has."""
    ours = [("user", "u1", ""), ("user", "u1", ""), ("user", "u2", "")]
    found = list(compare_holders(ours, [("user", "u2", "")], APPS))
    assert [(one.client_user_id, one.name, one.at_apple) for one in found] == [("u1", None, 2)]
