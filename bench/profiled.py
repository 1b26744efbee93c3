"""A worker that profiles the tasks of pages by the CPU that their threads take; `parts.py` runs it.

usage: PROFILE_TO=FILE python bench/profiled.py --name NAME …
"""

import cProfile
import os
import pstats
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import celery.concurrency.thread
from celery.signals import worker_shutting_down

from tasks.worker import main

_run = celery.concurrency.thread.apply_target
_own = threading.local()
_profiles: list[cProfile.Profile] = []


def _run_profiled(target: Any, args: Any, *others: Any, **options: Any) -> Any:
    """Run a task; if it is a page's, count what it takes with the thread's others."""
    if args[0] != "pageturner.page":
        return _run(target, args, *others, **options)
    if not hasattr(_own, "profile"):
        _own.profile = cProfile.Profile(time.thread_time)
        _profiles.append(_own.profile)
    return _own.profile.runcall(_run, target, args, *others, **options)


def _write(**_: Any) -> None:
    pstats.Stats(*_profiles).dump_stats(os.environ["PROFILE_TO"])


worker_shutting_down.connect(_write)
celery.concurrency.thread.apply_target = _run_profiled
main()
