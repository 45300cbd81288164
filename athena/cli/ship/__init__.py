"""How Athena gets to machines without a network.

bundle: one file with all that a server needs
interpreter: the Python that runs, as a folder that works anywhere
own_wheel: the wheel of the Athena that runs
programs: what programs and libraries need of a system
wheels: what is installed here, as wheels
"""
