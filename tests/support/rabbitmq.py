"""A real RabbitMQ of our own: from PATH or where Debian keeps it; its files, ports and name are nobody else's."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from entrypoints.embedded import processes

from .servers import await_server, free_port, missing

_PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server")


@contextlib.contextmanager
def rabbitmq_server() -> Iterator[str]:
    """Run a RabbitMQ server for the length of the block, and yield its URL."""
    binary = _binary()
    with tempfile.TemporaryDirectory(prefix="pageturner-rabbit-") as folder:
        port, env = _environment(Path(folder))
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        child = processes.start([binary], log=subprocess.DEVNULL, env=env)
        try:
            await_server(lambda: _connects(url), child, "RabbitMQ")
            yield url
        finally:
            processes.stop(child, 20.0)
            epmd = shutil.which("epmd")
            if epmd:  # Erlang's name server is started by the first of its programs, and outlives them
                subprocess.run([epmd, "-kill"], env={**os.environ, **env}, capture_output=True, check=False)


def _binary() -> str:
    # What PATH has may be a script that insists on the machine's own account and folders.
    places = [*_PLACES, *Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"), shutil.which("rabbitmq-server")]
    found = next((str(place) for place in places if place and Path(place).exists()), None)
    return found or str(missing("RabbitMQ", "there is no rabbitmq-server; Debian's package has it"))


def _environment(folder: Path) -> tuple[int, dict[str, str]]:
    port = free_port()
    plugins = folder / "plugins"
    plugins.write_text("[].\n")
    return port, {
        "HOME": str(folder),  # of Erlang's cookie
        "RABBITMQ_NODENAME": f"pageturner{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
    }


def _connects(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=1, timeout=1)
    except (OperationalError, OSError):
        return False
    return True
