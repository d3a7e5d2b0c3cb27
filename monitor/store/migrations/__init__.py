"""Migrations, run by Alembic on the connection that `monitor.store.migrate` hands over."""
