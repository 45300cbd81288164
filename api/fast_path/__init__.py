"""Ordinary requests, answered with little work.

direct_protocol: small ones, from the HTTP parser's callbacks
fast_path: the others, without Flask
"""
