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
shown of them. The format follows the ending of `--output` (csv, json, ndjson, xlsx, parquet) or `--format`. A workbook
has ids as texts and moments as dates, in UTC, and no formula. `--for-spreadsheets` does the same for CSV. Parquet needs
a library that is not installed with the rest: `pip install 'pageturner[parquet]'`.

**A role that reads the views and nothing else**, for Metabase, Power BI, Grafana and others on PostgreSQL:

    CREATE ROLE reports LOGIN PASSWORD '...';
    GRANT SELECT ON {views} TO reports;

**Your own files beside Apple's lists.** Two more reports take a CSV of yours, whatever its columns are called, its
delimiter and its encoding; `--map FIELD=HEADER` names a column that is not found.

    pageturner orphans --known serials.csv --people staff.csv --batches batches.json
    pageturner compare --file mdm.csv --output differences.xlsx

`orphans` lists the licences of devices that `--known` lacks (by serial number), of people that `--people` lacks (by
address or clientUserId) and of users whom Apple has retired. `--batches` writes the requests that would take them back,
as Apple's `assets/disassociate` wants them, at most 25 assets and 1,000 holders each: no request names a pair of asset
and holder that is not in the list. Pageturner sends none of them.

`compare` lists what only one of the two has. From the columns of the file follows what is compared: who holds which app
(`serial_number` or `client_user_id`, with `adam_id`, `bundle_id` or `name`), which devices or users hold any, or the
counts of each app (`total`, `assigned`, `available`). A file of which nobody is at Apple is refused: another column was
meant.

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
