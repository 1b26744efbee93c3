"""What is stored: locations, streams, crawls and their pages, the mirror, and the feed of its changes."""
