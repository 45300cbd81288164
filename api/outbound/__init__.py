"""Requests that a gateway sends itself.

addresses: which addresses are public
fetcher: fetches inputs by URL
"""
