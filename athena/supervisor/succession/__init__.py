"""Processes that take the place of others, which serve until they do.

edit_watch: the process that tells of edited files
edits: that process; a program
headroom: whether there is memory for one more
reloads: workers that are replaced after an edit
successors: who follows whom
"""
