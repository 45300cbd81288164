"""Programs that load an ability without a queue."""
