"""Drill-down reports as HTML, each made by Evidently in a child process with its own limits."""
