"""The Pythons in which abilities run that ask for packages of their own.

bootstrap: what such a Python runs first: it finds Athena behind its own packages
choice: which Python an ability runs in
installer: makes an environment, with pip
interpreter: command lines in that Python
launcher: becomes a worker in it
packages: what is installed, and whether it fits
requirements: what an ability's requirements.txt says
shelf: environments that were made, each made once
survey: prints what a Python is and has
"""
