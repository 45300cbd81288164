"""`python -m tests.cluster`: the chart in a real API server, with real controllers; nodes are kwok's.

certificates: whom the programs trust
plane: the programs of a cluster
life: install, upgrade, roll back, drain
"""
