"""What staff read of all clients, or of theirs: the state of models, alerts, incidents and rejected records.

Commands of the same names print it. Start with `staff_routes.py`.
"""
