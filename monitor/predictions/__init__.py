"""The prediction log: what models answered and what became known about it, as columns in the one store."""
