"""Who may call: applications, their keys, and what these open; pure.

apps: applications and their keys
documents: an application as text
keys_file: applications that stand in a file
minting: new keys
quotas: how much applications may use
scopes: what an application may do
sealing: secrets that lie in Redis
"""
