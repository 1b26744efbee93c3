"""The broker: channels of Redis, and what they keep."""

import json
import time

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer

from tasks import broker


def test_one_client_a_channel(redis_url):
    """Acknowledging a message takes the client that is there; after the channel's pool was closed, a new one."""
    with Connection(redis_url, transport=broker.Transport) as connection:
        channel = connection.channel()
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()
        channel._disconnect_pools()
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()
        channel.close()


@pytest.fixture
def connection(redis_url):
    """A connection to an empty broker."""
    with Connection(redis_url, transport=broker.Transport) as connection:
        yield connection


@pytest.fixture
def take(connection, redis):
    """A function that puts a message with a delivery tag into a queue, and takes it; with its channel."""

    def take(tag):
        channel = connection.channel()
        taken: list[Message] = []
        consumer = Consumer(channel, [Queue("page")], on_message=taken.append, accept=["json"])
        consumer.consume()
        redis.lpush("page", json.dumps(message(tag)))
        until = time.monotonic() + 10
        while not taken and time.monotonic() < until:
            connection.drain_events(timeout=1)
        return channel, taken[0]

    return take


def message(tag):
    """Return a message as it lies in a queue."""
    where = {"exchange": "", "routing_key": "page"}
    properties = {"delivery_tag": tag, "delivery_info": where, "body_encoding": "base64", "delivery_mode": 2}
    return {
        "body": "W10=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "pageturner.page"},
        "properties": properties,
    }


def queued(redis):
    """Return the tags of the messages in the queue."""
    return [json.loads(one)["properties"]["delivery_tag"] for one in redis.lrange("page", 0, -1)]


def test_a_message_of_the_gate_is_kept_by_the_gate_alone(take, redis):
    """Taking and acknowledging what the gate handed over writes nothing into Redis; another message is noted there."""
    redis.config_resetstat()
    _, gated = take(f"{broker.GATED}1")
    gated.ack()
    assert not {"cmdstat_hset", "cmdstat_hdel"} & set(redis.info("commandstats"))
    _, other = take("2")
    assert redis.hkeys("unacked") == [b"2"]
    other.ack()
    assert redis.hkeys("unacked") == []
    assert queued(redis) == []


@pytest.mark.parametrize("tag", [f"{broker.GATED}1", "1"])
def test_a_worker_that_stops_gives_messages_back(take, redis, tag):
    """A channel that is closed puts back what was not acknowledged, once, and nothing that was."""
    channel, _ = take(tag)
    channel.close()
    assert queued(redis) == [tag]
    redis.delete("page")
    channel, taken = take(tag)
    taken.ack()
    channel.close()
    assert queued(redis) == []


@pytest.mark.parametrize("tag", [f"{broker.GATED}1", "1"])
def test_a_refused_message(take, redis, tag):
    """A message that is requeued is in its queue again, and one that is rejected is nowhere."""
    _, taken = take(tag)
    taken.requeue()
    assert queued(redis) == [tag]
    redis.delete("page")
    channel, taken = take(tag)
    taken.reject()
    channel.close()
    assert queued(redis) == []
    assert redis.keys("unacked*") == []
