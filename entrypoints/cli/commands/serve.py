"""`pageturner serve`: everything on this machine, with one command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from settings import read_settings
from storage.states import Access

from ...embedded import processes
from ...embedded.supervisor import SupervisedPart, Supervisor
from ...exits import Exit, Failure
from ...terminal import say, write
from ...web.server import listen
from .console import (
    PORT,
    HostOption,
    PortOption,
    ProxyAccessOption,
    TrustOption,
    UserHeaderOption,
    door_policy,
    url_of,
)
from .services import STOP_SECONDS, LogLevel, worker_parts

#: How the program is started again as a part of itself.
_PROGRAM = "from entrypoints.cli.main import run; run()"


def serve(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    host: HostOption = "127.0.0.1",
    port: PortOption = PORT,
    trust: TrustOption = "127.0.0.1",
    user_header: UserHeaderOption = None,
    proxy_access: ProxyAccessOption = Access.READ,
    webhook_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Receive Apple's notices at this port of 127.0.0.1 as well.")
    ] = None,
    process_count: Annotated[int, typer.Option("--processes", min=1, help="Worker processes.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads in each.")] = 10,
    log_level: Annotated[LogLevel, typer.Option(help="The least level that is logged.")] = LogLevel.WARNING,
    *,
    unit: Annotated[
        bool, typer.Option("--unit", help="Print a unit for this machine's systemd or launchd, and start nothing.")
    ] = False,
) -> None:
    """Run everything on this machine until stopped: workers, the scheduler, and the console.

    Example: pageturner serve --port 8100
    """
    from ...embedded.servers import refuse_full, servers
    from ..unit import make_unit

    settings = read_settings()
    given = _given(host, port, trust, user_header, proxy_access)
    receiver = [] if webhook_port is None else ["--webhook-port", str(webhook_port)]
    if unit:
        pool = ["--processes", str(process_count), "--threads", str(threads), "--log-level", str(log_level)]
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # a service may write there, and nowhere else
        command = [str(Path(sys.executable).with_name("pageturner")), "serve", *given, *receiver, *pool]
        text, advice = make_unit(command, settings.home)
        write(text.rstrip("\n"))
        say(advice)
        return
    door_policy(host, trust, user_header, proxy_access)
    for wanted in (port, webhook_port):
        if wanted:
            listen(host if wanted == port else "127.0.0.1", wanted).close()
    refuse_full(settings)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = settings.home / "servers.log"
    with processes.terminating(), servers(settings, "worker"), log.open("ab") as kept:
        own = [sys.executable, "-c", _PROGRAM]
        parts = [
            *worker_parts(process_count, threads, log_level),
            SupervisedPart(name="The scheduler", command=[*own, "beat", "--log-level", log_level]),
            SupervisedPart(name="The console", command=[*own, "console", *given]),
        ]
        if webhook_port is not None:
            command = [*own, "webhook", "--port", str(webhook_port), "--trust", trust]
            parts.append(SupervisedPart(name="The receiver", command=command))
        supervisor = Supervisor(parts, kept)
        try:
            say(f"Console at {url_of(host, port)} in a moment. Ctrl-C stops it; {log} is its log.")
            supervisor.run()
        except KeyboardInterrupt:
            say("Stopping: the requests under way may end.")
        finally:
            supervisor.stop(STOP_SECONDS)


def _given(host: str, port: int, trust: str, user_header: str | None, proxy_access: Access) -> list[str]:
    """Return the options of the console as they are typed."""
    if port == 0:
        raise Failure("--port: a number, so that people find the page again.", Exit.USAGE)
    named = [] if user_header is None else ["--user-header", user_header, "--proxy-access", str(proxy_access)]
    return ["--host", host, "--port", str(port), "--trust", trust, *named]
