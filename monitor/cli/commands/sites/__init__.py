"""Commands for sites and relays."""
