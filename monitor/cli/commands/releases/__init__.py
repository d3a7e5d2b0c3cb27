"""Commands about releases: records, approval, comparison of environments."""
