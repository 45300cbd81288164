"""What callers type."""
