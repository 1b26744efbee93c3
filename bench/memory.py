"""What a worker's memory is made of before its first task: the resident memory after each library is imported.

usage: python bench/memory.py
"""

import sys
from importlib import import_module
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

#: In an order in which none imports what comes after it.
LIBRARIES = (
    "msgspec",
    "requests",
    "redis",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "pydantic_settings",
    "celery.app.base",
    "kombu.transport.redis",
    "cryptography.fernet",
    "storage.store",
    "tasks.services",
    "celery.apps.worker",
    "tasks.crawl",
    "tasks.pump",
)


def main() -> None:
    process = psutil.Process()
    for library in ("psutil", *LIBRARIES):
        import_module(library)
        print(f"{process.memory_info().rss / 2**20:6.1f} MB  {library}")


if __name__ == "__main__":
    main()
