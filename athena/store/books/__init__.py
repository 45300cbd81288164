"""What is kept beside jobs: counts, traces, what operators did, what applications have open.

accounts: what metered applications have open
audit: the books compared with the records
counts: what is counted of jobs and workers
own_metrics: what wrappers count themselves
traces: spans that are kept, and examples of times
trail: what operators have done
"""
