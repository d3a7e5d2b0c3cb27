"""Stands in for a report's process that wants more memory than it may have."""

import sys

from monitor.reports import child

child._limit(int(sys.argv[2]), int(sys.argv[3]))
bytearray(10**9)
