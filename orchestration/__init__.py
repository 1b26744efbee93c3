"""What happens next: pure decisions, the use cases that obey them, and the gate. Knows neither Celery nor SQL."""
