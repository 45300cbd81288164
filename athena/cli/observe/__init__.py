"""What shows operators how an installation is.

config: the settings that count
doctor: what is wrong with it
listeners: who listens on Athena's ports
machine: what this machine has
packages: what is installed, and whether it fits
"""
