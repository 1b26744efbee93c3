"""Celery's settings, each with its reason. Most were measured: docs/why.md has the figures."""

from kombu.entity import Queue

#: Just above the longest task: a page waits at most a second for its permit and a minute for Apple. What a dead worker
#: held comes back to the queue after this; the gate sends pages again long before.
VISIBILITY_SECONDS = 90

#: Longer than any gap between two pages of one chord: Retry-After may close a gate for an hour.
RESULT_SECONDS = 6 * 3600

settings = {
    # JSON only: a message is data, and cannot run code.
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    # A message is done when its task is: a killed worker's tasks come back.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    # The pump renews what the threads of its own process hold; processes of a prefork pool would hold it alone.
    "worker_pool": "threads",
    "worker_concurrency": 8,
    # One message a slot: what waits in a worker's memory waits behind whatever that worker does.
    "worker_prefetch_multiplier": 1,
    # Every thread publishes while it holds what it runs on; too few of these froze sixteen threads for ever.
    "broker_pool_limit": 64,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_SECONDS,
        # Without these two, what a dead worker held is looked for every hundred seconds only.
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # Queues take turns: a long line of pages must not keep seeds waiting.
        "queue_order_strategy": "round_robin",
        "max_connections": 200,
        "socket_keepalive": True,
        # A silent broker is told from an idle one: no command of Redis waits for longer.
        "socket_connect_timeout": 5.0,
        "socket_timeout": 15.0,
    },
    "result_expires": RESULT_SECONDS,
    "result_backend_transport_options": {"max_connections": 200},
    # Results are never read: pages count in their chord without leaving a key each.
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    # Separate queues, so that hosts can be given to one kind of work. No priorities: Redis and RabbitMQ order them
    # in opposite ways.
    "task_queues": [Queue(name) for name in ("clock", "seed", "page", "publish", "names", "messages")],
    "task_default_queue": "seed",
    # They are sent while somebody listens: `tasks.events` switches them.
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "worker_hijack_root_logger": False,
    "worker_consumer": "tasks.consumer:Consumer",
    "worker_enable_remote_control": True,
    # A task that waits for Apple does not stop a worker from being told to stop: messages come back.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "timezone": "UTC",
    "imports": ["tasks.chores", "tasks.crawl"],
}
