"""API keys, sessions, OpenID Connect, rate limits and the audit log. Start with `authentication.py` (keys) and
`session.py` (visitors).
"""
