"""Alerts: find what people have to know, tell it once, and send the messages until they are taken."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from storage.alerts import Alert, AlertMessage, AlertPosition, Settled
from storage.channels import AlertChannel
from storage.store import Store

from .courier import send
from .decisions.alerts import Scarcity, compose, news, of_apps, of_location, of_purchases
from .decisions.delivery import next_try
from .decisions.freshness import judge_streams
from .decisions.health import Health, of_token
from .decisions.timetable import Intervals
from .metrics import Metrics

#: How many messages one round sends.
_AT_ONCE = 50

#: Sends a title and a text to the address of a channel; returns why it was not taken, or None.
Send = Callable[[str, str, str], str | None]

#: Returns a sentence on how something stands, with advice.
Advise = Callable[[Health, str], str | None]


def _plainly(health: Health, _: str) -> str | None:
    """Return how something stands, without advice."""
    return health.words


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How people are told: what a process is given from outside."""

    advise: Advise = _plainly
    send: Send = send
    scarcity: Scarcity = field(default_factory=Scarcity)
    #: The channels of the environment, besides those that are kept.
    channels: Sequence[AlertChannel] = ()


class Teller:
    """Tells people what they have to know."""

    def __init__(self, store: Store, intervals: Intervals, telling: Telling, metrics: Metrics) -> None:
        self._store = store
        self._intervals = intervals
        self._telling = telling
        self._metrics = metrics

    def channels(self) -> Sequence[AlertChannel]:
        """Return the channels: those that are kept, and those of the environment."""
        return [*self._store.channels.all(), *self._telling.channels]

    def tell(self) -> int:
        """Find what is new, and store the messages that tell of it; return how many there are."""
        channels, position = self.channels(), self._store.alerts.position()
        name, last = self._store.alerts.extent()
        version = 0 if position is None else position.version
        here = AlertPosition(feed=name, seq=last, version=version)
        if not channels:  # whoever is told later is not told what was bought before
            if position is None or (position.feed, position.seq) != (name, last):
                self._store.alerts.settle(Settled(position=here))
            return 0
        standing = self._store.alerts.standing()
        now = [*self._of_locations(), *self._of_apps(standing), *self._of_purchases(position, here)]
        names = {one.uid: one.name for one in self._store.locations.watched()}
        found = news(now, standing, names)
        told = [message for one in channels if (message := compose(one, found.told)) is not None]
        settled = Settled(position=here, begun=found.begun, ended=found.ended, told=told)
        return len(told) if self._store.alerts.settle(settled) else 0

    def send(self, keep: Callable[[], None] = lambda: None) -> int:
        """Send the messages that are due; return how many were taken. `keep` is called before each."""
        channels = {one.name: one for one in self.channels()}
        sent = 0
        for message in self._store.alerts.due(self._store.now(), _AT_ONCE):
            keep()
            if self._store.alerts.claim(message.id, self._store.now()):
                sent += self._try(message, channels.get(message.channel))
        return sent

    def _try(self, message: AlertMessage, channel: AlertChannel | None) -> bool:
        if channel is None:
            self._store.alerts.note_failed(message, "The channel was removed.", None)
            return False
        trouble = self._telling.send(channel.url, message.title, message.body)
        self._metrics.count("messages", channel=channel.name, outcome="failed" if trouble else "sent")
        if trouble is None:
            self._store.alerts.note_sent(message.id)
            return True
        now = self._store.now()
        again = next_try(message.attempts + 1, message.created_at, now, None)
        spread = timedelta(seconds=random.uniform(0.0, 2.0))  # noqa: S311 - no secret
        self._store.alerts.note_failed(message, trouble, None if again is None else again + spread)
        return False

    def _of_locations(self) -> Sequence[Alert]:
        now, streams = self._store.now(), self._store.streams.by_location()
        found: list[Alert] = []
        for location in self._store.locations.watched():
            verdicts = judge_streams(location, streams.get(location.id, []), self._intervals, now)
            token = of_token(location, now)
            token = replace(token, words=self._telling.advise(token, location.name))
            found += of_location(location, token, verdicts)
        return found

    def _of_apps(self, standing: Mapping[str, str]) -> Sequence[Alert]:
        """Find the apps that run out, and those that were told to, of which not enough are left yet."""
        apps = self._store.alerts.scarce(self._telling.scarcity.least, 2 * self._telling.scarcity.percent)
        return list(of_apps(apps, self._telling.scarcity, standing))

    def _of_purchases(self, position: AlertPosition | None, here: AlertPosition) -> Sequence[Alert]:
        """Find the licences that were gained since the last round; at the first, and in another feed, none."""
        if position is None or position.feed != here.feed or position.seq >= here.seq:
            return []
        purchases = self._store.alerts.purchases(position.seq, here.seq)
        names = self._store.listings.names({one.uid for one in purchases}, {one.adam_id for one in purchases})
        return list(of_purchases(replace(one, name=names.get((one.uid, one.adam_id), one.name)) for one in purchases))
