"""API keys, sessions, OpenID Connect, rate limits and the audit log. Start with `access.py` (keys) and `session.py`
(visitors).
"""
