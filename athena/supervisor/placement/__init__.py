"""Which worker processes a host starts; pure.

capacity: what is left of a device
pinning: what keeps a process to its place
plan: the plan
search: places for the first worker of each ability
"""
