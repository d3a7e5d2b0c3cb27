"""Large requests: read apart, and stored in slices, so that small ones do not wait for them."""
