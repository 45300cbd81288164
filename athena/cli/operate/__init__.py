"""What operators type.

abilities: forgets abilities
backup: copies of the embedded Redis' data
credentials: applications and their keys
dead: dead letters
jobs: jobs, one and many
logs: what the processes of this host have logged
operator: what these commands share: their desk, verbs and tables
plan: where workers would run on this host
queues: queues, paused and resumed
quotas: how much applications may use, and have used
traces: which part of a job took how long
trail: what operators have done
watching: what a command prints, drawn again and again
workers: runs this host's workers, and gives them orders
"""
