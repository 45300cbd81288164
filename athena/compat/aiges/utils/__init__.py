"""See `log`."""
