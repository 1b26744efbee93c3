"""Units: how systemd and launchd start a command with the machine, and again if it ends."""

import getpass
import os
import plistlib
import shlex
import sys
from pathlib import Path

_LABEL = "com.github.pageturner"

#: The requests under way may end: see `pageturner serve`.
_STOP_SECONDS = 90

_SYSTEMD = """[Unit]
Description=Pageturner: an exact mirror of Apple's Apps and Books
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={command}
Environment=PAGETURNER_HOME={home}
# Further settings, of which some are secret: lines of NAME=VALUE, readable for the service's user alone.
EnvironmentFile=-{plain_home}/environment
{user}Restart=on-failure
RestartSec=5
TimeoutStopSec={stop}
KillMode=mixed
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ReadWritePaths=-{home}

[Install]
WantedBy={target}
"""


def make_unit(command: list[str], home: Path, platform: str = sys.platform) -> tuple[str, str]:
    """Return the unit for a platform, and what to do with it."""
    return _launchd(command, home) if platform == "darwin" else _systemd(command, home)


def _systemd(command: list[str], home: Path) -> tuple[str, str]:
    is_root = os.getuid() == 0
    text = _SYSTEMD.format(
        command=" ".join(map(_quoted, command)),
        home=shlex.quote(_percents(str(home))),
        plain_home=_percents(str(home)),
        user=f"User={getpass.getuser()}\n" if is_root else "",
        stop=_STOP_SECONDS,
        target="multi-user.target" if is_root else "default.target",
    )
    where = "/etc/systemd/system" if is_root else "~/.config/systemd/user"
    control = "systemctl" if is_root else "systemctl --user"
    lingering = "" if is_root else " `loginctl enable-linger` keeps it running when you are not signed in."
    advice = f"Save this as {where}/pageturner.service, then: `{control} enable --now pageturner`.{lingering}"
    return text, advice


def _quoted(text: str) -> str:
    """Return a word as systemd reads it: per cent signs and dollars mean something there."""
    return shlex.quote(_percents(text).replace("$", "$$"))


def _percents(text: str) -> str:
    return text.replace("%", "%%")


def _launchd(command: list[str], home: Path) -> tuple[str, str]:
    unit = {
        "Label": _LABEL,
        "ProgramArguments": command,
        "EnvironmentVariables": {"PAGETURNER_HOME": str(home)},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": _STOP_SECONDS,
        "StandardErrorPath": str(home / "serve.log"),
        "ProcessType": "Background",
    }
    where = f"~/Library/LaunchAgents/{_LABEL}.plist"
    advice = f"Save this as {where}, then: `launchctl bootstrap gui/$(id -u) {where}`."
    return plistlib.dumps(unit).decode(), advice
