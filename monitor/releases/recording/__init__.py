"""Records of releases: manifests, where they come from, and what contradicts them."""
