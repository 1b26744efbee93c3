"""Writes the documents that are made from the code: `make reference`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import typer

from advice import advise
from apple.errors import NUMBERS
from entrypoints.cli.main import PLACES, app
from entrypoints.web.metrics import described_metrics
from settings import Settings
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
row says as of when it is. Ids are texts, and an app without a name is shown with its number. Moments are in UTC: files
and PostgreSQL say so, SQLite has no time zones. Locations that are no longer watched are in no report. If a list that a
report is made from was never read, the command says so.

SQL is for the database that `PAGETURNER_DATABASE_URL` names. Without one it is the file `pageturner.db` in
`PAGETURNER_HOME` (`~/.pageturner`), which any program for SQLite opens, `sqlite3 -readonly` for one.

`--where COLUMN=VALUE` chooses rows (an empty value: where there is none), `--columns`, `--sort` and `--limit` what is
shown of them. The format follows the ending of `--output` (csv, json, ndjson, xlsx, parquet) or `--format`. A workbook
has ids as texts and moments as dates, in UTC, and no formula. `--for-spreadsheets` does the same for CSV. Parquet needs
a library that is not installed with the rest: `pip install 'pageturner[parquet]'`.

**A role that reads the views and nothing else**, for Metabase, Power BI, Grafana and others on PostgreSQL:

    CREATE ROLE reports LOGIN PASSWORD '...';
    GRANT SELECT ON {views} TO reports;

**Your own files beside Apple's lists.** Two more reports take a CSV of yours, whatever its columns are called, its
delimiter, in UTF-8, in UTF-16 with its mark, or as Windows writes it. `--map FIELD=HEADER` names a column that is not
found.

    pageturner orphans --known serials.csv --people staff.csv --batches batches.json
    pageturner compare --file mdm.csv --output differences.xlsx

`orphans` lists the licences of devices that `--known` lacks (by serial number), of people that `--people` lacks (by
address or clientUserId) and of users whom Apple has retired; with `--people`, of users too of whom Apple says nothing.
`--batches` writes the requests that would take them back,
as Apple's `assets/disassociate` wants them, at most 25 assets and 1,000 holders each: no request names a pair of asset
and holder that is not in the list. Pageturner sends none of them.

`compare` lists what only one of the two has. From the columns of the file follows what is compared: who holds which app
(`serial_number` or `client_user_id`, with `adam_id`, `bundle_id` or `name`), which devices or users hold any, or the
counts of each app (`total`, `assigned`, `available`), summed over all locations: `--location` compares those of one. A
file of which nobody is at Apple is refused: another column was
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


def reference() -> str:
    """Return the document of commands, settings, metrics and errors."""
    return "\n".join([_REFERENCE, *_commands(), *_settings(), *_metrics(), *_errors()])


_REFERENCE = """# Reference

Written from the code by `make reference`: commands, settings, metrics, and Apple's error numbers. The views are in
[reports.md](reports.md), the JSON of commands in [data.md](data.md)."""


def _commands() -> Iterator[str]:
    yield "\n## Commands\n\n`pageturner COMMAND --help` has the same.\n"
    for name, command in sorted(_all_commands()):
        about = (command.help or "").split("\n\n")[0].replace("\n", " ").strip()
        yield f"### pageturner {name}\n\n{about}\n"
        rows = [_option(one) for one in command.params if not getattr(one, "hidden", False)]
        rows = [row for row in rows if not row.startswith("| `--help`")]
        if rows:
            yield "\n".join(["| argument | is |", "| --- | --- |", *rows]) + "\n"


def _all_commands() -> Iterator[tuple[str, Any]]:
    group: Any = typer.main.get_command(app)
    for name in PLACES:
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        else:
            yield name, command


def _option(one: Any) -> str:
    is_argument = one.param_type_name == "argument"
    names = (one.metavar or one.name).upper().strip("_") if is_argument else ", ".join(one.opts)
    return f"| `{names}` | {_cell(one.help or '')} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _settings() -> Iterator[str]:
    yield "## Settings\n\n| variable | is | default |\n| --- | --- | --- |"
    for name, field in Settings.model_fields.items():
        if name == "embedded_socket":  # no setting of a person
            continue
        default = "~/.pageturner" if name == "home" else field.default
        shown = f"`{default}`" if default not in {None, ""} else ""
        yield f"| `PAGETURNER_{name.upper()}` | {_cell(field.description or '')} | {shown} |"


def _metrics() -> Iterator[str]:
    yield "\n## Metrics\n\nWhat `pageturner metrics` serves to Prometheus.\n"
    yield "| metric | labels | is |\n| --- | --- | --- |"
    for metric, labels, words in described_metrics():
        yield f"| `{metric}` | {', '.join(labels)} | {_cell(words)} |"


def _errors() -> Iterator[str]:
    yield "\n## Apple's errors\n\nWhat each of Apple's numbers means here, and what to do about it.\n"
    yield "| numbers | means | what to do |\n| --- | --- | --- |"
    found: dict[tuple[str, str], list[int]] = {}
    for number, meaning in sorted(NUMBERS.items()):
        words = f"{(meaning.error.__doc__ or '').strip().removesuffix('.')} ({meaning.words})."
        found.setdefault((words, advise("", meaning.error.__name__)), []).append(number)
    for (words, advice), numbers in found.items():
        yield f"| {', '.join(map(str, numbers))} | {words} | {advice} |"


#: Every document, by the name of its file.
DOCUMENTS = {"reports.md": reports, "reference.md": reference}


def main() -> None:
    """Write all documents."""
    for name, write in DOCUMENTS.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
