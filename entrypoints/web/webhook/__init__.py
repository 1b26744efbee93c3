"""The webhook receiver: a small ASGI application that keeps Apple's notices before it answers."""

from .bearers import BearerCheck
from .intake import Intake
from .receiver import BURST, PER_SECOND, Door, Receiver, make_app

__all__ = ["BURST", "PER_SECOND", "BearerCheck", "Door", "Intake", "Receiver", "make_app"]
