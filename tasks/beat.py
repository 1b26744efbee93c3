"""One scheduler process, started without Celery's command line, as a worker is; what runs is Celery's own beat.

usage: python -m tasks.beat [--log-level INFO]
"""

import argparse
import logging

from . import registered_app
from .garbage import lasting


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log-level", default="INFO")
    level = logging.getLevelNamesMapping()[parser.parse_args().log_level]
    with lasting():
        from celery.apps.beat import Beat
    # It keeps nothing in files: chores are claimed in the database, and two may share a home.
    Beat(app=registered_app(), scheduler="celery.beat.Scheduler", loglevel=level, quiet=level > logging.INFO).run()


if __name__ == "__main__":
    main()
