"""What processes tell people: log lines and metrics.

exposition: metrics as text that Prometheus reads
log_fields: what each line says beside its words
log_files: files of JSON lines, one for each process
log_folder: what processes have left there that are gone
log_history: log files, read back
log_lines: records as lines, for people and for programs
log_repeats: what a library repeats is written once a minute
log_streams: standard output and error as a log that never fails
logs: where records go, in which form
metrics: the table of metrics
otlp: spans on their way to a collector
prints: what a wrapper prints, as part of the log
spans: what a job or a request did from when to when
trace_context: which trace something belongs to
"""
