"""One job, from its message to its end; pure.

celery_message: Celery's side of the message
intake: from an envelope to the message
lifecycle: the rules of a job's states
message: the queue message, our part of it
queues: names of queues and lanes
record: states, and the record that Redis keeps
timeline: what happened to a job, from its record
"""
