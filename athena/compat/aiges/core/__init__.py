"""See `types`."""
