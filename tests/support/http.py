"""Requests to what a test started. They share one TLS context: making one costs 30 ms of CPU, a request one."""

import ssl
from functools import cache
from typing import Any

import httpx2


@cache
def context() -> ssl.SSLContext:
    """The certificate authorities of this machine, read once a process."""
    return ssl.create_default_context()


def client(**settings: Any) -> httpx2.Client:
    """A client that keeps its connections."""
    return httpx2.Client(**{"verify": context(), **settings})


def request(method: str, url: str, **options: Any) -> httpx2.Response:
    """One request over a connection of its own."""
    return httpx2.request(method, url, **{"verify": context(), **options})


def get(url: str, **options: Any) -> httpx2.Response:
    """GET."""
    return request("GET", url, **options)


def post(url: str, **options: Any) -> httpx2.Response:
    """POST."""
    return request("POST", url, **options)
