"""The systems that Athena is compared with, one file each; they do the same work as its abilities.

They run in environments of their own (`scripts/install-peers.sh`), so nothing here imports Athena.
"""
