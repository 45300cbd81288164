"""Celery's side of a worker.

consumer: reconnects within a second
event_budget: how many jobs Flower is shown
foreign_request: tasks that other Celery clients have sent
led_jobs: jobs that an inference thread has taken itself
loop_calls: what only Celery's thread may do
loop: runs the worker that Celery makes
pool: hands tasks to the inference threads
publishers: heartbeats and answers to remote control
signal_bell: wakes the loop when the worker is told to end
task_headers: which tasks are not done here
task_events: what Celery's tools see of jobs
transport: kombu's Redis transport, with jobs taken by a script
worker_app: what Celery's parts need of ours
"""
