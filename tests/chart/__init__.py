"""The Helm chart, as tests render it.

objects: what it makes of values
readme: the page of its values
"""
