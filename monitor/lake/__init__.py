"""History at scale: files of predictions, wherever they lie, straight into profiles and measurements.

The rows are counted by the same kernel and the same layout as live ones, a piece at a time and without keeping any,
so memory does not grow with the files. What counts them is an engine: this process (`here`), or Spark (`spark`).
Counts add to the same bits in any order, so both make the same profiles.
"""
