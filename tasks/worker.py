"""One worker process, started without Celery's command line.

That one loads the command lines of Celery's plugins, whatever it is asked for: with Flower and click-repl installed, a
worker would have 14 MB of a web server and a line editor. What runs is Celery's own worker all the same.

usage: python -m tasks.worker --name NAME [--threads 8] [--log-level INFO]
"""

import argparse
import logging
import sys

from . import registered_app
from .garbage import lasting


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--log-level", default="INFO")
    asked = parser.parse_args()
    level = logging.getLevelNamesMapping()[asked.log_level]
    sys.argv[:1] = ["-m", "tasks.worker"]  # what Celery starts in its place on SIGHUP
    with lasting():
        from celery.apps.worker import Worker
        from celery.utils.nodenames import host_format
    worker = Worker(
        app=registered_app(),
        hostname=host_format(f"{asked.name}@%h"),
        pool_cls="threads",
        concurrency=asked.threads,
        loglevel=level,
        quiet=level > logging.INFO,  # the banner is for those who want to read much
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
