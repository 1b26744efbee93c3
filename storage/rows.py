"""From rows to dataclasses: which columns make which, whatever else a query selects beside them."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

#: The fields of a dataclass, each with the column that it comes from.
Columns = Mapping[str, "sa.Column[Any]"]


def own_columns(kind: type[Any], table: sa.Table) -> Columns:
    """Map the fields of a dataclass to the columns of the same names."""
    return {name: table.c[name] for name in kind.__dataclass_fields__ if name in table.c}


def pick(row: Any, columns: Columns) -> dict[str, Any]:
    """Pick what a dataclass is made of out of a row."""
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return {name: mapping[column] for name, column in columns.items()}
