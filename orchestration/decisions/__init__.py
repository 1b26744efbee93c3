"""Decisions: pure functions from facts to a frozen decision. Nothing here reads, writes, sends or waits."""
