"""The process that all calls of a wrapper share.

forks: what forked processes keep
guards: keeps wrappers from disturbing the process
surroundings: what all jobs of a process share
"""
