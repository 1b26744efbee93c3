"""The project itself: names that are ours, the limits of its style, and files that say the same."""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from enum import Enum
from functools import cache
from pathlib import Path

import pytest

from storage.ledger.crawls import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("apple", "simulator", "storage", "orchestration", "tasks", "entrypoints")
TOP = ("advice", "settings")
FILES = [
    *sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")),
    *(ROOT / f"{name}.py" for name in TOP),
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Declared tables and the options of a command are lists, however long.
DECLARATIVE = ("simulate",)


def names(paths):
    """Name files for a test's report."""
    return [str(path.relative_to(ROOT)) for path in paths]


def functions(path):
    """Return every function of a file."""
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("name", [*PACKAGES, *TOP])
def test_the_name_is_ours(name):
    """No installed package takes the place of one of ours: the names are as general as the things."""
    found = Path(importlib.import_module(name).__file__).resolve()
    assert found.is_relative_to(ROOT)


def test_every_package_is_listed():
    """What is installed is what there is."""
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES if path.name == "__init__.py"}
    assert listed == there


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_file_is_short(path):
    """A file is one noun, and says in its first line what it is responsible for."""
    text = path.read_text()
    assert text.count("\n") <= 450
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_a_function_is_short(path):
    """A function fits on a screen."""
    for function in functions(path):
        if function.name not in DECLARATIVE and "migrations" not in str(path):
            first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
            assert function.end_lineno - first.lineno < 40, function.name


def test_names_say_something():
    """No file or class is called after nothing in particular."""
    empty = re.compile(r"(utils?|helpers?|managers?|misc|common)$", re.IGNORECASE)
    classes = [
        node.name for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in [*classes, *(path.stem for path in FILES)] if empty.search(name)] == []


def parts(name):
    """Split a name into its words, whether they are joined by capitals or by underscores."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def named_things():
    """Return the name of every file, class and function of ours, with where it is."""
    for path in FILES:
        if "migrations" in path.parts:
            continue
        yield path.stem, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, path


def rejected_words():
    """Read the words that `docs/words.md` rejects."""
    lines = (ROOT / "docs" / "words.md").read_text().splitlines()
    rows = [line.split("|")[-2] for line in lines if line.startswith("| ")]
    return [parts(word) for row in rows[2:] for word in row.split(",") if parts(word)]


def test_one_word_for_one_thing():
    """No file, class or function is named by a word that `docs/words.md` rejects."""
    rejected = rejected_words()
    assert ["heed"] in rejected
    assert ["start", "over"] in rejected
    found = []
    for name, path in named_things():
        words = parts(name)
        for wrong in rejected:
            places = range(len(words) - len(wrong) + 1)
            if any(words[place : place + len(wrong)] == wrong for place in places):
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert found == []


def test_files_are_named_by_nouns():
    """No file is named by what it does: a gerund says nothing of what is in it."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if not path.stem.startswith("test_")]
    gerunds = [path for path in [*FILES, *tests] if path.stem.endswith("ing")]
    assert gerunds == []


def test_a_type_has_one_meaning():
    """No two public classes have one name."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_location_is_no_text():
    """What is called a location is one: its uId is `uid`, and what it is called here is `name`."""
    doors = ROOT / "entrypoints"
    #: In options, in columns and in the API, `location` is the user's word for its name.
    theirs = (doors / "cli" / "commands", doors / "web" / "api", doors / "web" / "console" / "screens")
    wrong = []
    for path in FILES:
        if any(map(path.is_relative_to, theirs)) or "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.AnnAssign(target=ast.Name(id="location"), annotation=annotation):
                    pass
                case ast.arg(arg="location", annotation=ast.expr() as annotation):
                    pass
                case _:
                    continue
            if "str" in ast.unparse(annotation).split(" | "):
                wrong.append(f"{path.relative_to(ROOT)}:{annotation.lineno}")
    assert wrong == []


def test_decisions_know_facts_alone():
    """What the pure decisions import of the store are frozen facts and constants: nothing that could read or write."""
    for path in (ROOT / "orchestration" / "decisions").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.startswith("storage"):
                for alias in node.names:
                    thing = getattr(importlib.import_module(node.module), alias.name)
                    assert not inspect.isfunction(thing), f"{path.name} imports {alias.name}"
                    if inspect.isclass(thing):
                        is_frozen = dataclasses.is_dataclass(thing) and getattr(thing, "__dataclass_params__").frozen  # noqa: B009
                        assert is_frozen or issubclass(thing, Enum | tuple), f"{path.name} imports {alias.name}"


@pytest.mark.parametrize("package", ["apple", "storage", "orchestration"])
def test_only_doors_name_commands_and_settings(package):
    """What is below the doors speaks of Apple and of servers: what to type about it stands in one table, above."""
    named = re.compile(r"`pageturner |`--[a-z]|PAGETURNER_[A-Z]")
    assert [path for path in (ROOT / package).rglob("*.py") if named.search(path.read_text())] == []


def test_only_apple_names_endpoints():
    """One table knows Apple's paths; the simulator has its own."""
    for path in FILES:
        if "simulator" not in path.parts and path.name != "resources.py":
            assert '"/mdm/' not in path.read_text(), path


def test_the_states_of_a_crawl_are_drawn():
    """`docs/page.md` draws exactly the transitions that are declared, and names files that there are."""
    text = (ROOT / "docs" / "page.md").read_text()
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (.*)$", text, re.MULTILINE))
    declared = {(before, one.after, one.name) for one in TRANSITIONS for before in one.before}
    assert drawn == {(str(before), str(after), name) for before, after, name in declared}
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        assert (ROOT / name).exists(), name
    for call in re.findall(r"`([A-Z]\w+)\.(\w+)`", text):
        assert call in methods(), call


@cache
def methods():
    """Return every method of ours, with its class."""
    trees = [ast.parse(path.read_text()) for path in FILES]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {(one.name, node.name) for one in classes for node in one.body if isinstance(node, ast.FunctionDef)}


def test_layers_point_one_way():
    """The contracts hold, and a machine says so."""
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_locked_without_addresses():
    """The lock files pin every dependency by its hash, and name no place to get it from."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pinned = re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE)
        wanted = [re.match(r"[a-z0-9-]+", one).group() for one in PROJECT["project"]["dependencies"]]
        assert set(wanted) <= set(pinned)


def test_the_readme_and_the_makefile_are_one():
    """Every target that the README names is there, and every setting is documented."""
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make ([a-z]+)`", readme)):
        assert f"\n{target}:" in makefile
    documented = set(re.findall(r"PAGETURNER_[A-Z_]+", readme))
    settings = set(re.findall(r"^    ([a-z_]+): .*= ", (ROOT / "settings.py").read_text(), re.MULTILINE))
    wanted = {f"PAGETURNER_{name.upper()}" for name in settings} - {"PAGETURNER_EMBEDDED_SOCKET"}
    assert wanted <= documented


def test_every_test_makes_a_claim():
    """Each test says in a line what it shows."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for function in functions(path):
            if function.name.startswith("test_"):
                assert ast.get_docstring(function), f"{path.name}: {function.name}"
