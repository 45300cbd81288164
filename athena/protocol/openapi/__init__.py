"""The OpenAPI 3.1 document.

document: the whole document, a path for each ability
jobs: its part about jobs
parts: what documents are made of
"""
