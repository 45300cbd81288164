"""What processes tell people: log lines and metrics.

log_streams: standard output and error as a log that never fails
logs: the format of log lines
metrics: the table of metrics
"""
