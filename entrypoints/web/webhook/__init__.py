"""The webhook receiver: a small ASGI application that keeps Apple's notices before it answers."""

from .bearers import BearerCheck
from .intake import Intake
from .receiver import Door, Receiver, make_app
from .throttle import Throttle

__all__ = ["BearerCheck", "Door", "Intake", "Receiver", "Throttle", "make_app"]
