"""What `make models` compares models by."""
