"""The gate: every request that carries a token goes through the gate of its location."""

from .gate import AlreadyRunning, Gate, NoPermit, Permit
from .memory import GateStatus, Message

__all__ = ["AlreadyRunning", "Gate", "GateStatus", "Message", "NoPermit", "Permit"]
