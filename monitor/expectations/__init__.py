"""Expectations: what the rows of a model should be like, written by hand or learned, checked where rows are counted."""
