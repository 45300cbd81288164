"""Which worker processes a host starts; pure.

capacity: what is left of a device
plan: the plan
search: places for the first worker of each ability
"""
