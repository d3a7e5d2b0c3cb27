"""Trees that say how large the error of an answer will be: learned with a baseline, evaluated as rows are counted."""
