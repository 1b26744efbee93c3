"""The doors: the command line and the embedded mode."""
