"""Files in object stores, each read with a deadline."""
