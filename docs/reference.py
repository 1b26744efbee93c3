"""Writes the documents that are made from the code: `make reference`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from storage.views import VIEWS, View

FOLDER = Path(__file__).resolve().parent

_REPORTS = """# Reports

Each report answers a question that people ask of their licences. The same rows come from the command, from a file and
from SQL, under the same names:

    pageturner report                                        # lists them
    pageturner report licences                               # a table
    pageturner report licences --location hq --output licences.xlsx
    pageturner report holders --where name=Keynote --format csv --for-spreadsheets
    SELECT name, location, available FROM licences           -- in the database

The views are a contract: a column is never renamed, taken out or given another meaning; new ones come at the end. Each
row says as of when it is. Ids are texts, moments have a time zone, and an app without a name is shown with its number.
Locations that are no longer watched are in no report.

`--where COLUMN=VALUE` chooses rows (an empty value: where there is none), `--columns`, `--sort` and `--limit` what is
shown of them. The format follows the ending of `--output` (csv, json, ndjson, xlsx) or `--format`. A workbook has ids
as texts and moments as dates, in UTC, and no formula. `--for-spreadsheets` does the same for CSV.

**A role that reads the views and nothing else**, for Metabase, Power BI, Grafana and others on PostgreSQL:

    CREATE ROLE reports LOGIN PASSWORD '...';
    GRANT SELECT ON {views} TO reports;

Upgrades keep what was granted on a view. A new view is granted once more by hand. A view of your own upon one of these
has to be dropped before an upgrade, and made again after it: the upgrade says so, and changes nothing, until then.
"""


def reports() -> str:
    """Return the document of all reports."""
    return _REPORTS.format(views=", ".join(VIEWS)) + "".join(map(_section, VIEWS.values()))


def _section(view: View) -> str:
    rows = "\n".join(f"| `{name}` | {about} |" for name, about in view.columns.items())
    return f"""
## {view.name}

{view.about}

| column | is |
| --- | --- |
{rows}

    {view.example};
"""


#: Every document, by the name of its file.
DOCUMENTS = {"reports.md": reports}


def main() -> None:
    """Write all documents."""
    for name, write in DOCUMENTS.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
