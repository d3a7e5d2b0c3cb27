"""Runs heavy jobs in child processes, which return their memory and cannot crash the daemon.

A job only reads the database, and returns what the daemon then writes (docs/decisions.md).
"""

from monitor.childprocess.runner import ChildProcesses, Here, Runner
from monitor.childprocess.work import Failed

HERE = Here()

__all__ = ["HERE", "ChildProcesses", "Failed", "Here", "Runner"]
