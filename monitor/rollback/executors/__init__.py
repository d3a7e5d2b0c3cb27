"""What carries orders out: one file per platform. `executor.py` is their interface, `registry.py` lists them."""
