"""The mirror: what was read, published stream by stream, and the feed of its changes."""
