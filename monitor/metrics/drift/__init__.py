"""How far a window's columns are from the baseline's: distances, tests, shifts, missing and unknown values."""
