"""Sentry: bugs are reported, without secrets; trouble at Apple is no bug."""

from importlib.metadata import version
from typing import Any

from celery.signals import beat_init, celeryd_init

from settings import Settings, read_settings

from .scrubber import Scrubber

#: Chores more frequent than Sentry's monitors can count, which is by the minute.
_UNMONITORED = ["tick", "tend"]


def report_bugs(settings: Settings, part: str) -> None:
    """Send the bugs of this process to Sentry, which is imported then; without a DSN, do nothing."""
    if settings.sentry_dsn is None:
        return
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    scrub = Scrubber([*settings.keys, *settings.webhook_secrets])
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        environment=settings.environment,
        release=f"pageturner@{version('pageturner')}",
        # No local variables (one may be a token), no bodies, and no addresses of clients are sent.
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        # Only the integrations named here: others record commands of Redis and addresses.
        auto_enabling_integrations=False,
        integrations=[
            CeleryIntegration(monitor_beat_tasks=True, exclude_beat_tasks=_UNMONITORED, propagate_traces=False),
            LoggingIntegration(),
        ],
        # No header of Sentry's goes to Apple.
        trace_propagation_targets=[],
        # Neither the command line nor the host's name is sent.
        server_name="",
        before_send=lambda event, _: scrub(_without_arguments(event)),
        before_breadcrumb=lambda crumb, _: scrub(crumb),
    )
    sentry_sdk.set_tag("part", part)


def _without_arguments(event: Any) -> Any:
    event.get("extra", {}).pop("sys.argv", None)
    return event


@celeryd_init.connect
def _report_worker(**_: Any) -> None:
    report_bugs(read_settings(), "worker")


@beat_init.connect
def _report_beat(**_: Any) -> None:
    report_bugs(read_settings(), "beat")
