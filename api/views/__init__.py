"""The gateway's routes, one module for each kind of thing that is asked for.

abilities: what is served
acts: what operators do, as it is noted
admin: what operators do
admin_keys: applications and their keys
admin_shares: which version of an ability gets which share of requests
bulk: many jobs in one request
jobs: questions about jobs
metrics: the fleet for Prometheus
openapi: the API as a document
page: the page for people
probes: whether this process lives and serves
run: runs an ability
workers: who works, and on what
"""
