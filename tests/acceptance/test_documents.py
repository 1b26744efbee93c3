"""The pages for administrators and for vendors: every example in them is run, in their order."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support.forks import forks
from tests.support.processes import COMMAND, bare_environment, running_simulator
from tests.support.receiver import running_mailbox
from tests.support.servers import free_port

DOCS = Path(__file__).resolve().parents[2] / "docs"

SIZE = ("--assets", "12", "--assignments", "400", "--users", "40", "--page-size", "100", "--latency", "1")

#: What stays, serves, or is another program's: each is tried by a test of its own.
NOT_RUN = ("pageturner simulate", "pageturner worker", "pageturner beat", "pageturner metrics")


def blocks(page):
    """Return the indented blocks of a page."""
    text = (DOCS / page).read_text()
    found = re.findall(r"(?:^    .*\n|^\n(?=\n?    ))+", text, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in found]


def commands(page):
    """Return the commands of a page: those of its blocks, and those in its table."""
    lines = [
        line for block in blocks(page) if not block.startswith(("import ", "from ")) for line in block.splitlines()
    ]
    inline = re.findall(r"\| .*?\| (`pageturner .*`) \|", (DOCS / page).read_text())
    lines += [one for cell in inline for one in re.findall(r"`(pageturner [^`]*)`", cell)]
    return [line for line in lines if line.startswith("pageturner ") and not line.startswith(NOT_RUN)]


class Desk:
    """A folder of a person, with a home, a simulated Apple, and the files that the pages speak of."""

    def __init__(self, folder, apple):
        self.folder = folder
        self.apple = apple
        self.env = bare_environment(folder) | {"PAGETURNER_HOME": str(folder / "home")}
        self.env |= {"PAGETURNER_APPLE_URL": apple.origin, "PAGETURNER_NAMES": "en"}
        self.env["PATH"] = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"

    def run(self, line):
        """Run a line as a shell does."""
        if "$" not in line:
            return forks().run(shlex.split(line)[1:], self.env, 100, self.folder)
        command = ["bash", "-c", line]
        return subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=100)

    def write_files(self):
        """Write the files of other systems, from what the mirror has."""
        done = self.run("pageturner report holders --format json")
        assert done.returncode == 0, done.stderr
        holders = json.loads(done.stdout)
        known = sorted({one["serial_number"] for one in holders if one["serial_number"]})[2:]
        people = sorted({(one["email"] or "", one["client_user_id"]) for one in holders if one["client_user_id"]})[1:]
        files = {
            "serials.csv": ["Serial Number,Asset Serial", *(f"{one},{one}" for one in known)],
            "mdm.csv": ["Serial Number", *known],
            "staff.csv": ["E-Mail,User ID", *map(",".join, people)],
        }
        for name, lines in files.items():
            (self.folder / name).write_text("".join(f"{line}\n" for line in lines))


@contextlib.contextmanager
def made_desk(folder):
    """Make a desk with a token and a file of locations on it."""
    with running_simulator(*SIZE) as apple:
        made = Desk(folder, apple)
        (folder / "sToken_for_Example.vpptoken").write_text(apple.token)
        (folder / "locations.toml").write_text('[[location]]\nname = "hq"\ntoken = "sToken_for_Example.vpptoken"\n')
        yield made


@pytest.fixture
def new_desk(tmp_path):
    """The desk of a person who begins."""
    with made_desk(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The desk of a person whose mirror is in step."""
    with made_desk(tmp_path_factory.mktemp("desk")) as made:
        for line in ("pageturner locations add sToken_for_Example.vpptoken --name hq", "pageturner sync"):
            done = made.run(line)
            assert done.returncode == 0, done.stderr
        yield made


def test_the_administrators_page(new_desk):
    """Every command of the administrator's page does what it says, from a token to the answers; none is made up."""
    with running_mailbox() as mailbox:
        new_desk.env["PAGETURNER_NOTIFY"] = mailbox.url
        wanted = commands("administrator.md")
        assert len(wanted) > 25
        for line in wanted:
            if "orphans" in line or "compare" in line:
                new_desk.write_files()
            done = new_desk.run(line)
            is_alarm = line.startswith(("pageturner doctor", "pageturner status --check"))  # it may find something
            assert done.returncode == 0 or (is_alarm and done.returncode in {1, 2}), (line, done.stderr)
            assert "Traceback" not in done.stderr, line
        assert len(mailbox.mails) >= 1
    assert {path.suffix for path in new_desk.folder.iterdir()} >= {".xlsx", ".csv", ".ndjson", ".json"}


@pytest.mark.parametrize("page", ["administrator.md", "vendor.md", "reports.md"])
def test_their_queries(desk, page):
    """Every SQL query of a page is answered by the views."""
    queries = [line for block in blocks(page) for line in block.splitlines() if line.startswith("SELECT")]
    with sqlite3.connect(desk.folder / "home" / "pageturner.db") as database:
        for query in queries:
            database.execute(query.partition("--")[0]).fetchall()


def test_the_eleven_questions_are_answered(desk):
    """Each question has an answer with rows or a sentence, and the answer begins with names."""
    for name in ("licences", "holders", "across", "seats", "locations-health", "apps"):
        done = desk.run(f"pageturner report {name}")
        assert done.stdout.splitlines()[1:], name


def program(page, beginning):
    """Return the program of a page that begins so."""
    return next(block for block in blocks(page) if block.startswith(beginning))


@pytest.mark.parametrize("follow", [[], ["--follow"]], ids=["to the end", "following"])
def test_the_vendors_copy_is_the_mirror(desk, follow):
    """The consumer of the vendor's page ends with exactly the mirror, however often it is killed and begun again."""
    (desk.folder / "consumer.py").write_text(program("vendor.md", "import json, sqlite3"))
    run = [sys.executable, "consumer.py"]
    for resource, change in (
        ("assignments", {"insert": 5, "remove": 4}),
        ("users", {"update": 3}),
        ("assets", {"buy": 5}),
    ):
        desk.apple.change(resource=resource, **change)
        assert desk.run("pageturner sync").returncode == 0
        child = subprocess.Popen([*run, *follow], cwd=desk.folder, env=desk.env, start_new_session=True)
        time.sleep(0.7)  # it is killed at whatever it does then
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert subprocess.run(run, cwd=desk.folder, env=desk.env, timeout=60).returncode == 0
    with sqlite3.connect(desk.folder / "copy.db") as copy:
        copies = [json.loads(row[0]) for row in copy.execute("SELECT record FROM records")]
    desk.run("pageturner export --all whole")
    mirror = [
        json.loads(line) for file in (desk.folder / "whole").glob("*.ndjson") for line in file.read_text().splitlines()
    ]
    for record in mirror:
        del record["uId"], record["location"]
    counted = [one for one in copies for _ in range(one.pop("copies", 1))]  # equal retired users are one record
    assert sorted(json.dumps(one, sort_keys=True) for one in counted) == sorted(
        json.dumps(one, sort_keys=True) for one in mirror
    )


def test_the_vendors_receiver(desk, tmp_path):
    """The receiver of the vendor's page takes what is ours, and refuses what is not."""
    port = free_port()
    (tmp_path / "receiver.py").write_text(program("vendor.md", "from http.server"))
    (desk.folder / "notify.toml").write_text(f'[[webhook]]\nname = "mdm"\nurl = "http://127.0.0.1:{port}/"\n')
    assert desk.run("pageturner notify apply notify.toml").returncode == 0
    secret = desk.run("pageturner notify secret mdm").stdout.strip()
    env = desk.env | {"HOOK_SECRET": secret}
    command = [sys.executable, str(tmp_path / "receiver.py"), str(port)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            await_port(port)
            assert desk.run("pageturner notify test mdm").returncode == 0
            desk.apple.change(resource="assignments", insert=2)
            assert desk.run("pageturner sync --resource assignments").returncode == 0
            lines = [child.stdout.readline().split() for _ in range(2)]
            assert [line[1:] for line in lines] == [["assignments", "insert"]] * 2
            assert desk.run(f"curl -s -o /dev/null -w %{{http_code}} -d x http://127.0.0.1:{port}/").stdout in {
                "401",
                "",
            }
        finally:
            child.kill()


def await_port(port):
    """Wait until somebody listens."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def test_commands_are_quoted_well():
    """Every command of a page can be read as a shell reads it, and the options of each are known."""
    for page in ("administrator.md", "vendor.md", "notify.md"):
        for line in commands(page):
            assert shlex.split(line)[0] == "pageturner"
