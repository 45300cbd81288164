"""The gateway: HTTP in, jobs into the queue, answers out."""
