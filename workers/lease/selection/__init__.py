"""Which jobs a worker takes: how many, of which queues.

demand: how many jobs a worker wants
queue_holds: queues that it leaves alone
slots: how many jobs it may hold
take_order: in which order it empties queues
"""
