"""The reading alone: five threads that ask for every page of a list and do nothing with it.

It is what a machine and its simulated Apple leave possible: neither answers in exactly the time that it was told to.
"""

import http.client
import threading
import time
from urllib.parse import urlsplit

THREADS = 5


def read_alone(origin: str, token: str, pages: int) -> float:
    """Return how many seconds it takes to read the pages: the first, then the others five at a time."""
    begun, lock, left = time.monotonic(), threading.Lock(), iter(range(1, pages))
    _get(_connect(origin), token, 0)

    def read() -> None:
        connection = _connect(origin)
        while True:
            with lock:
                index = next(left, None)
            if index is None:
                return
            _get(connection, token, index)

    threads = [threading.Thread(target=read) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begun


def _connect(origin: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(origin).netloc)


def _get(connection: http.client.HTTPConnection, token: str, index: int) -> None:
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
    connection.request("GET", f"/mdm/v2/assignments?pageIndex={index}", headers=headers)
    answer = connection.getresponse()
    assert answer.read(), f"page {index}: {answer.status}"
