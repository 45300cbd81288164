"""Who may call.

access_rule: lets nobody in without a key, and nobody further than it leads
authenticator: from a request's head to its caller
digests: whether a body is the one that was signed
exposure: what an operator is told of a gateway that others reach
key_book: the keys that a gateway knows
key_watch: keeps that book up to date
origin_guard: refuses before the application runs
origins: names that are answered to, pages that may ask
permissions: what each route needs
proofs: what a head says of its signature
proxies: whose word counts when a proxy says for whom it asks
quota_reader: the quotas that a gateway knows
refusals: log lines about callers who were refused
replays: signatures that came before
"""
