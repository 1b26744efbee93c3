"""A home, its store, and a terminal in this process to type commands at."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apple.notices import read_notice
from entrypoints.cli.main import run
from tests.support.filled_store import FilledStore
from tests.support.notifier import make_notice


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A home, its store, and a terminal to type commands at."""

    home: Path
    store: FilledStore
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        self.monkeypatch.setattr(sys, "argv", ["pageturner", *arguments])
        with pytest.raises(SystemExit) as end:
            run()
        written = self.capsys.readouterr()
        return Ended(status=int(end.value.code or 0), out=written.out, err=written.err)

    def receive(self, uid: str, number: str, **more: Any) -> None:
        """Store a notice, as the receiver does."""
        notice = make_notice(uid, **{"notificationId": number, **more})
        self.store.notices.store([read_notice(json.dumps(notice).encode())])

    def publish(self, resource: str, *records: dict[str, object], version: str) -> None:
        """Publish a full crawl of some records."""
        self.store.publish(
            self.store.read(self.store.stream(self.store.location, resource), list(records), version=version)
        )
