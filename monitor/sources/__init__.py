"""Where records come from: files, probes. Each source turns its format into what the prediction log takes."""
