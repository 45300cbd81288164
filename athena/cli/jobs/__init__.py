"""Jobs as people read them, whether Redis or a gateway tells of them.

one_by_one: what is done of several things, each for itself
tables: lists of jobs, and one job with its timeline
"""
