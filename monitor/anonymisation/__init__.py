"""Makes production-like tables for staging: no row of production leaves, and no value that few rows have."""
