"""`watchkeeper demo --llm`: a small retrieval application whose answers leak, refuse or are invented on request."""
