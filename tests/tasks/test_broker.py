"""The broker: channels of Redis, and what they keep."""

from kombu.connection import Connection

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
