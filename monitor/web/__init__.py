"""The web: what comes in over HTTP, `/metrics`, the pages that clients and engineers read."""
