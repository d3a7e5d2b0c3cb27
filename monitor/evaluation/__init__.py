"""Prepares what rules read in a tick: which windows are measured, metrics of the clock, earlier measurements."""
