"""What answers HTTP, part by part in this process."""
