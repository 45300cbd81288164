"""The page that a browser gets. It is sent as it lies here: nothing builds it, and it asks no other host.

assets: its files, and their types
"""
