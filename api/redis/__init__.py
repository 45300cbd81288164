"""A gateway's connection to Redis.

link: one connection for all requests
packing: commands, as bytes
replies: replies, told as they come
"""
