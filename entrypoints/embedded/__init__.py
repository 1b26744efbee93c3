"""The servers and workers that a command starts by itself, and their end."""
