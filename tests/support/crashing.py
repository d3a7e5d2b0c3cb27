"""Stands in for a report's process that a fault in native code ends."""

import os

os.abort()
