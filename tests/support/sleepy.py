"""Stands in for a report's process that never ends."""

import signal
import sys

sys.stdout.write("step: waiting for what never comes\n")
sys.stdout.flush()
signal.pause()
