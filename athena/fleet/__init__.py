"""Who serves, and what processes tell each other.

canary: how the example fared that was sent through the queue
gateway_report: what a gateway tells of itself
host_report: what a supervisor tells of its host
janitor: what goes on while no worker is alive
launch: what a supervisor and a worker tell each other at the start
name_claim: whose a worker's name is
progress_board: shared memory in which a worker shows what it runs
pulse: how one host's processes are, for probes
registry: reads what others have written of themselves
routing: which queue a request goes to
traffic_split: which version of an ability a request goes to
view: who is alive, as a gateway sees it
worker_entry: what a worker writes of itself
worker_orders: what an operator wants of a worker
"""
