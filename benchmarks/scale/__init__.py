"""How far one Redis, one gateway and one queue go."""
