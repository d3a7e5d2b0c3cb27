"""The one border to Evidently: drill-down reports as HTML, each made in a process of its own with its own limits."""
