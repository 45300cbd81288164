"""Hours of ordinary load on a real `athena serve`: `python -m tests.soak`, and what each process took."""
