"""The workers: take jobs from Celery queues, run wrappers, write results."""
