"""The doors: the command line and the embedded mode."""

from tasks.garbage import collect_rarely

collect_rarely()
