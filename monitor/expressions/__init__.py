"""Expressions over the columns of records: parsed without `eval`, computed on whole batches, summed exactly."""
