"""What commands list: read by the running daemon, with a key, or in the store if none is asked.

Both ways give the same records, so one function prints them. Start with `daemon_or_store.py`.
"""
