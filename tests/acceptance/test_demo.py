"""The demo, as `make demo` runs it."""

import subprocess

import pytest

from tests.support.processes import COMMAND, bare_environment


@pytest.mark.timeout(300)  # a minute, on an idle machine
def test_the_demo_is_exact(tmp_path):
    """A simulated organisation that changes while it is read is mirrored exactly, and nothing is left of the demo."""
    env = bare_environment(tmp_path) | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([COMMAND, "demo"], env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as at Apple") == 9
    assert "at most 5 by Apple's count, 0 refused; along cursors at most 1" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["verdict", "exact"]
    assert list(tmp_path.iterdir()) == []
