"""What callers type: it asks a gateway, and needs no Redis.

call: runs abilities, or queues jobs for them
following: jobs on their way to their end
gateway: which gateway is asked, with which key
managing: jobs that a gateway lists, shows, cancels or tries again
progress: how a job stands, where somebody looks on
showing: outputs, printed and written to files
"""
