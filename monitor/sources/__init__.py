"""Sources of records: files (`files/`) and health probes. Each converts its format to batches of the prediction log."""
