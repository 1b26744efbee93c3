"""The documents that are made from the code are what the code says, and their examples run."""

import importlib.util
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.views import VIEWS

ROOT = Path(__file__).resolve().parent.parent


def reference():
    """Return the program that writes the documents."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


def test_documents_are_what_the_code_says():
    """A document that is made from the code is written anew with it: `make reference`."""
    module = reference()
    for name, write in module.DOCUMENTS.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == write(), name


@pytest.mark.parametrize("name", list(VIEWS))
def test_the_example_of_a_view_runs(database, name):
    """Each example is a query that either database answers."""
    with database.read() as connection:
        assert connection.execute(sa.text(VIEWS[name].example)).all() == []
