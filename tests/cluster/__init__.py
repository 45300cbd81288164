"""`python -m tests.cluster`: the chart in a real API server, with real controllers; nodes are kwok's.

certificates: whom the programs trust
plane: the programs of a cluster
life: install, upgrade, roll back, drain
keda: what scales, beside the cluster
pods: pods as processes of this machine
site: gateway, Redis, Prometheus and pods that KEDA scales
timeline: what is there from one moment to the next
scaling: a burst, and a Prometheus that is away
bursts: a day of bursty load
"""
