"""What the command line does before a command has begun to work."""

import json
import subprocess
import sys

#: What takes most of a second to import: the clients of the servers, and what is built on them.
_HEAVY = ("sqlalchemy", "psycopg", "celery", "kombu", "redis", "requests", "sentry_sdk", "starlette", "cryptography")

_IMPORT_ALL = """
import json, sys
import typer
from entrypoints.cli.main import PLACES, app
program = typer.main.get_command(app)
for name in PLACES:
    program.commands[name]
json.dump(sorted(sys.modules), sys.stdout)
"""


def test_a_command_imports_no_client_before_it_works():
    """The help of every command, and its refusal of wrong options, need no library of a server."""
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=True)
    assert set(_HEAVY) & set(json.loads(done.stdout)) == set()
