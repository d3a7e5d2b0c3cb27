"""Profiles of large histories: files of predictions, local or in S3, directly to profiles and measurements.

Rows are counted by the same kernel and layout as live ones, chunk by chunk without storing them, so memory does not
grow with the files. An engine counts: this process (`local`), or Spark (`spark`). Counts add exactly in any order, so
both produce identical profiles. Start with `run.py`.
"""
