"""The result of a gate in the formats of terminals, pages and CI services."""
