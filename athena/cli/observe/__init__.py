"""What shows operators how an installation is.

config: the settings that count
doctor: what is wrong with it
frame: one picture of `athena top`
listeners: who listens on Athena's ports
machine: what this machine has
scene: what such a picture shows
top: pictures, one after the other
"""
