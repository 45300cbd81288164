"""A gateway's connection to Redis.

hash_watch: what operators set, kept up to date
link: one connection for all requests
packing: commands, as bytes
replies: replies, told as they come
"""
