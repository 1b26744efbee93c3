"""Units, which start everything with the machine."""

import plistlib
from pathlib import Path

from entrypoints.cli.unit import make_unit

COMMAND = ["/opt/page turner/bin/pageturner", "serve", "--port", "8100"]


def test_a_unit_for_systemd():
    """It has the command as it was given, its home, and time to stop."""
    text, advice = make_unit(COMMAND, Path("/var/lib/pageturner"), "linux")
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert lines["ExecStart"] == "'/opt/page turner/bin/pageturner' serve --port 8100"
    assert lines["Environment"] == "PAGETURNER_HOME=/var/lib/pageturner"
    assert lines["ReadWritePaths"] == "-/var/lib/pageturner"
    assert int(lines["TimeoutStopSec"]) > 70
    assert lines["Restart"] == "on-failure"
    assert "systemctl" in advice


def test_what_means_something_to_systemd_is_escaped():
    """Per cent signs and dollars in a path stay what they are."""
    text, _ = make_unit(["/opt/100%/$x/pageturner", "serve"], Path("/srv/50%"), "linux")
    assert "ExecStart='/opt/100%%/$$x/pageturner' serve" in text
    assert "Environment=PAGETURNER_HOME=/srv/50%%" in text


def test_a_unit_for_launchd():
    """It starts when its owner signs in, and again if it fails."""
    text, advice = make_unit(COMMAND, Path("/Users/anna/.pageturner"), "darwin")
    unit = plistlib.loads(text.encode())
    assert unit["ProgramArguments"] == COMMAND
    assert unit["EnvironmentVariables"] == {"PAGETURNER_HOME": "/Users/anna/.pageturner"}
    assert unit["RunAtLoad"]
    assert unit["KeepAlive"] == {"SuccessfulExit": False}
    assert "launchctl bootstrap" in advice
