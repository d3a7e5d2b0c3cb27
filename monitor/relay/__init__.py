"""A relay: takes requests with records inside a client's network, keeps them on disk, and sends them to the daemon.

A request is answered once it is on disk (`request_queue.py`), and sent until the daemon has answered
(`forwarding.py`). Nothing here reads records.
"""
