"""When the workers of an ability load: the first one on a host alone, since packages fill caches then.

first_load: whose turn it is
load_marks: which abilities have loaded on this host, whoever supervised them
"""
