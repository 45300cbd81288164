"""What callers and operators do with jobs, queues and workers: generators of commands.

audit: the books compared with the records
canaries: who sends an ability's example, and how it fared
checkup: what `athena doctor` finds wrong
credentials: applications and their keys
deaths: what is logged of jobs whose workers died
jobs: show, cancel, retry; dead letters
lines: what the queues of listed jobs know
listing: lists of jobs, page by page
observe: what a gateway and a supervisor see, and the janitor's work
overview: all of it at one moment
quotas: how much applications may use, and have used
queues: queues, workers, hosts
rates: what happened between two such moments
refusals: what is told of jobs that are not there or cannot be submitted
steps: what a generator of commands is
surveys: what metrics tell of abilities
traces: the spans that are kept of a job
traffic: which versions of an ability get which share of requests
trail: what operators have done
"""
