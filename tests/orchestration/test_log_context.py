"""What a line of the log is about, without each line saying so."""

import threading

import pytest

from orchestration.log_context import about, now_about


def test_blocks_add_up():
    """An inner block adds to what the outer one says, and takes it away again."""
    with about(location="1", crawl=7):
        with about(crawl=8, page=3):
            assert now_about() == {"location": "1", "crawl": 8, "page": 3}
        assert now_about() == {"location": "1", "crawl": 7}
    assert now_about() == {}


def test_an_error_ends_it_too():
    """A block that ends with an error leaves nothing behind."""
    with pytest.raises(KeyError), about(location="1"):
        raise KeyError
    assert now_about() == {}


def test_threads_do_not_mix():
    """What one thread is about is no other thread's."""
    seen: list[object] = []
    with about(location="1"):
        thread = threading.Thread(target=lambda: seen.append(dict(now_about())))
        thread.start()
        thread.join()
    assert seen == [{}]
