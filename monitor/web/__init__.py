"""The HTTP side: the ingest (`ingest/`), the JSON API and `/metrics` (`api/`), sign-in (`auth/`), and the pages of
clients and engineers (`pages/`). Start with `app.py`.
"""
