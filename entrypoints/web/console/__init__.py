"""The console: pages to look at, in a browser, and what a person may do there."""
