"""What `athena doctor` finds wrong, each with its remedy.

ailment: what is wrong, and its remedy
fleet: workers, supervisors, abilities, queues, clocks
host: the machine on which it is asked
keys: what applications call with
server: Redis itself
"""
