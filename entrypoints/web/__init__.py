"""What answers HTTP: the receiver of Apple's notices, and the metrics."""
