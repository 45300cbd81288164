"""Random faults under load: `python -m tests.chaos`, and what came of it."""
