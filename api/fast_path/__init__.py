"""Ordinary requests, answered with little work.

direct: small ones, from the HTTP parser's callbacks
ordinary: the others, without Flask
"""
