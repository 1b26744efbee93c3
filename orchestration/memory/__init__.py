"""The whole core in one process, in virtual time: the twins of the queue, the gate's memory, the clock and Apple.

Nothing here knows Celery or Redis. The use cases are the same as in production, and so are the database's statements.
"""
