"""What an enemy sends, while somebody else wants an answer: `python -m tests.hostile`, or `make hostile`."""
