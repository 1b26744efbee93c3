"""The project itself: names that are ours, the limits of its style, and files that say the same."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("apple", "simulator", "storage", "orchestration", "tasks", "entrypoints")
FILES = [*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")), ROOT / "settings.py"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Declared tables and the options of a command are lists, however long.
DECLARATIVE = ("simulate",)


def names(paths):
    """Name files for a test's report."""
    return [str(path.relative_to(ROOT)) for path in paths]


def functions(path):
    """Give every function of a file."""
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("name", [*PACKAGES, "settings"])
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


def test_only_apple_names_endpoints():
    """One table knows Apple's paths; the simulator has its own."""
    for path in FILES:
        if "simulator" not in path.parts and path.name != "resources.py":
            assert '"/mdm/' not in path.read_text(), path


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
