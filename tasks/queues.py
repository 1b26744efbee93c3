"""Queues: how many messages wait for a worker."""

from kombu.exceptions import OperationalError

from .application import app

#: A broker that does not answer is not waited for: nobody asks for this twice.
_SECONDS = 3.0


def depths() -> dict[str, int]:
    """Count the messages that no worker has taken yet, by queue; nothing where the broker is away."""
    counts = {}
    connection = app.connection_for_read(connect_timeout=_SECONDS)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=_SECONDS)
            for name, queue in app.amqp.queues.items():
                counts[name] = queue(connection.default_channel).queue_declare().message_count
    except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors):
        return {}
    return counts
