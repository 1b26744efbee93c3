"""A Redis that answers, and refuses: its own words are told, with what to do."""

import contextlib
import os
import socket
import threading

import pytest
from redis import Redis
from redis.exceptions import RedisError

from advice import explain
from tests.support.cluster import Cluster
from tests.support.processes import Apple
from tests.support.servers import redis_server

_PROTECTED = b"-DENIED Redis is running in protected mode since it is\r\n"


def refusal(url: str) -> str:
    """Have a Redis refuse to take something, and tell it."""
    with Redis.from_url(url, retry=None) as redis, pytest.raises(RedisError) as caught:
        redis.set("x", 1)
    return explain(caught.value)


@contextlib.contextmanager
def answering(words: bytes):
    """Play a server that has nothing else to say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    with near:
                        near.sendall(words)

        threading.Thread(target=answer, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)


def test_each_refusal_has_its_advice(redis_url):
    """A wrong password, none, no rights, a replica, and protected mode are each told as what they are."""
    at = redis_url.removeprefix("redis://")
    with Redis.from_url(redis_url) as redis:
        redis.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+get", "+hello"])
        try:
            assert "user and password" in refusal(f"redis://reader:wrong-secret@{at}")
            told = refusal(f"redis://reader:secret@{at}")
            assert "no permissions to run the 'set' command" in told
            assert "+@all -@dangerous +info" in told
            redis.config_set("maxmemory", 1)
            assert "Give it more memory" in refusal(redis_url)
            redis.config_set("maxmemory", 0)
            redis.replicaof("127.0.0.1", "1")
            assert "name the primary" in refusal(redis_url)
        finally:
            redis.config_set("maxmemory", 0)
            redis.replicaof("NO", "ONE")
            redis.acl_deluser("reader")
    with answering(_PROTECTED) as url:
        told = refusal(url)
    assert told.startswith("Redis refuses (DENIED Redis is running in protected mode")
    assert "Put a password on it" in told


def test_the_doctor_and_a_sync_report_it(postgresql_database, tmp_path):
    """With a wrong password, whoever looks reads the server's words, and the password nowhere."""
    with redis_server() as url, Redis.from_url(url) as redis:
        redis.config_set("requirepass", "right-secret")
        env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
        env |= {"PAGETURNER_HOME": str(tmp_path), "PAGETURNER_DATABASE_URL": postgresql_database}
        env |= {"PAGETURNER_REDIS_URL": url.replace("redis://", "redis://:wrong-secret@"), "PAGETURNER_SECRET_KEYS": ""}
        host = Cluster(env=env, apple=Apple(origin="", locations=[]), home=tmp_path)
        key = host.run("key").stdout.strip()
        for command in (("doctor", "--offline"), ("sync",)):
            done = host.run(*command, PAGETURNER_SECRET_KEYS=key)
            said = done.stdout + done.stderr
            assert done.returncode in {1, 4}
            assert "Put the right user and password into PAGETURNER_REDIS_URL" in said, said
            assert "secret" not in said.replace("PAGETURNER_SECRET_KEYS", "")
            assert "Traceback" not in said
