"""Releases: which versions of a model are deployed. `monitor.rollouts` decides whether one may be promoted."""
