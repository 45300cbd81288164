"""Who may call.

origin_guard: refuses before the application runs
origins: names that are answered to, pages that may ask
"""
