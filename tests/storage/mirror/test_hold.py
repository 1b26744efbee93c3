"""Deletes that would take most of a stream are held until something confirms them."""

from datetime import timedelta

import pytest

from storage.mirror.hold import CONFIRM_WITHIN, Deletes, is_mass_delete, judge_deletes
from tests.support.examples import NOW, make_stream


@pytest.mark.parametrize(
    ("count", "records", "remaining", "is_mass"),
    [(1, 1, 0, True), (5, 5, 0, True), (5, 10, 5, False), (19, 30, 11, False), (20, 30, 10, True), (20, 60, 40, False)],
)
def test_mass_deletes(count, records, remaining, is_mass):
    """Most of a stream, or all of it, is a mass; a few of a few are not."""
    assert is_mass_delete(count, records, remaining) is is_mass


@pytest.mark.parametrize(
    ("digest", "held_at", "may_delete"),
    [
        (None, None, False),
        ("same", NOW, True),
        ("other", NOW, False),
        ("same", NOW - CONFIRM_WITHIN - timedelta(seconds=1), False),
    ],
)
def test_a_second_crawl_confirms(digest, held_at, may_delete):
    """Mass deletes are made once a second crawl shows the same, soon after."""
    deletes = Deletes(count=90, records=100, remaining=10, digest=lambda: "same")
    verdict = judge_deletes(deletes, make_stream(held_digest=digest, held_at=held_at), NOW)
    assert verdict.may_delete is may_delete
    assert verdict.digest == (None if may_delete else "same")


@pytest.mark.parametrize(("accepted", "may_delete"), [(None, False), (80, False), (82, True), (90, True)])
def test_a_person_accepts(accepted, may_delete):
    """A person accepts about as many deletes as were shown, and not many more."""
    deletes = Deletes(count=90, records=100, remaining=10, digest=lambda: "same")
    assert judge_deletes(deletes, make_stream(accepted_deletes=accepted), NOW).may_delete is may_delete
