"""From one version to another and back under load: `python -m tests.upgrade --old REVISION`.

builds: the versions that take part
parts: gateways and workers as processes of a version
rotation: which gateways get requests
traffic: callers, and what became of their requests
steps: the way there and back
"""
