"""The pages of clients and engineers, rendered on the server. Start with `client.py` and `staff.py`; templates are in
`templates/`.
"""
