"""See `fixpool`."""
