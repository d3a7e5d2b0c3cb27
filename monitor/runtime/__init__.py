"""The process itself: scheduler, supervised threads, faults, log, garbage collector, memory and imports.

Start reading at `faults` and `supervisor`.
"""
