"""The locations file: each mistake is refused with the place where it stands."""

from pathlib import Path

import pytest

from apple.resources import USUAL
from entrypoints.cli.locations_file import read_file
from entrypoints.exits import Exit, Failure
from simulator.records import make_token

NOTHING = {"delta": None, "full": None, "deep": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two content tokens, and with a file that is none."""
    for number, name in enumerate(("hq", "berlin")):
        token = make_token(str(number), name, number, "2030-11-08T22:33:22+0000")
        (tmp_path / f"{name}.vpptoken").write_text(token)
    (tmp_path / "none.vpptoken").write_text("no token")
    return tmp_path


def read(folder: Path, text: str):
    """Read a file of this text."""
    file = folder / "locations.toml"
    file.write_text(text)
    return read_file(file)


def test_an_empty_file(folder):
    """A file without locations declares none."""
    assert read(folder, "") == []


def test_what_is_usual(folder):
    """A location that names only its token gets the usual resources, with the default intervals."""
    [entry] = read(folder, '[[location]]\ntoken = "hq.vpptoken"\n')
    assert entry.every == dict.fromkeys(USUAL, NOTHING)
    assert (entry.name, entry.uid, entry.token.organisation) == (None, None, "hq")


def test_the_nearest_word_counts(folder):
    """Resources and intervals of a location count before those of the file, and those of a resource before both."""
    text = """
        resources = ["assets"]
        delta = "1h"
        full = "2d"
        [every.users]
        delta = "10m"
        [[location]]
        token = "hq.vpptoken"
        [[location]]
        token = "berlin.vpptoken"
        resources = ["assets", "users"]
        delta = "30m"
        [location.every.assets]
        delta = "5m"
    """
    hq, berlin = read(folder, text)
    assert hq.every == {"assets": {"delta": 3600, "full": 172_800, "deep": None}}
    assert berlin.every["assets"]["delta"] == 300
    assert berlin.every["users"]["delta"] == 600
    assert berlin.every["users"]["full"] == 172_800


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[location", "is not TOML"),
        ("\ufeff\x00", "is not TOML"),
        ("colour = 1", "colour"),
        ("[[location]]", "token"),
        ('[[location]]\ntoken = "missing.vpptoken"', "location 1: missing.vpptoken cannot be read: No such file"),
        ('[[location]]\ntoken = "none.vpptoken"', "none.vpptoken is not a content token: it is not one base64 text."),
        ('[[location]]\ntoken = "a\\u0000b"', "location 1: a"),
        ('[[location]]\ntoken = "hq.vpptoken"\nname = "a\\nb"', "a name must be a single line"),
        ('[[location]]\ntoken = "hq.vpptoken"\nname = " "', "a name must be a single line"),
        ('[[location]]\ntoken = "hq.vpptoken"\nresources = ["apps"]', "there is no resource 'apps'"),
        ('[[location]]\ntoken = "hq.vpptoken"\nresources = []', "there is no resource ''"),
        ('[[location]]\ntoken = "hq.vpptoken"\n[location.every.apps]\ndelta = "1h"', "there is no resource 'apps'"),
        ('[[location]]\ntoken = "hq.vpptoken"\ndelta = "5x"', "location 1: '5x' is not a valid interval"),
        ('[[location]]\ntoken = "hq.vpptoken"\ndelta = 5', "delta"),
    ],
)
def test_a_mistake_is_refused_with_its_place(folder, text, words):
    """Whatever is wrong is one sentence with the file, the location and the word; nothing of it is read."""
    with pytest.raises(Failure) as caught:
        read(folder, text)
    assert words in str(caught.value)
    assert "locations.toml" in str(caught.value)
    assert caught.value.status is Exit.USAGE


@pytest.mark.parametrize("what", ["name", "uid"])
def test_a_name_that_is_there_twice(folder, what):
    """Two locations of one name, or of one uId, are refused."""
    entry = '[[location]]\ntoken = "{}.vpptoken"\n' + f'{what} = "same"\n'
    with pytest.raises(Failure, match=f"the {what} same is there twice"):
        read(folder, entry.format("hq") + entry.format("berlin"))
