"""The gate: who may ask Apple now. One a location, shared by all processes through Redis."""

from .gate import AlreadyRunning, Gate, GateState, Message, NoPermit, Permit

__all__ = ["AlreadyRunning", "Gate", "GateState", "Message", "NoPermit", "Permit"]
