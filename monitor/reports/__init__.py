"""Drill-down reports as HTML, made by Evidently in a child process with its own limits."""
