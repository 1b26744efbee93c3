"""The worker's own start: it is Celery's worker, and has nothing of its command line."""

import signal
import subprocess
import sys

import psutil

from entrypoints.embedded import processes
from tests.support.processes import running_workers
from tests.support.site import await_true


def test_a_worker_starts_anew_on_hup(env, tmp_path):
    """As with Celery's command line, SIGHUP ends a worker gently and starts it again in its place."""
    log = tmp_path / "worker.log"
    with running_workers(env, processes_=1, threads=1, log=log) as [worker]:
        await_true(lambda: " ready." in log.read_text(), "it is ready", 30)
        begun = psutil.Process(worker.pid).cmdline()
        worker.send_signal(signal.SIGHUP)
        await_true(lambda: log.read_text().count(" ready.") == 2, "it is ready again", 30)
        assert worker.poll() is None
        assert psutil.Process(worker.pid).cmdline() == begun


def test_a_worker_has_no_command_lines(env):
    """Flower and a line editor, which Celery's command line imports, are not; nor is Sentry without a DSN."""
    program = (
        "import sys; from celery.apps.worker import Worker; from tasks import worker\n"
        "Worker.start = lambda _: print([one for one in ('flower', 'tornado', 'prompt_toolkit', 'celery.bin.celery', "
        "'sentry_sdk') if one in sys.modules])\n"
        "sys.argv = ['worker', '--name', 'one']; worker.main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
