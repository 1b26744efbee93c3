"""The gate: who may ask Apple now. One a location, shared by all processes through Redis."""

from .gate import Gate, Message, NotNow, Permit, Sight, Underway

__all__ = ["Gate", "Message", "NotNow", "Permit", "Sight", "Underway"]
