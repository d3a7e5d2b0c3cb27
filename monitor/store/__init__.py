"""The database: the only SQL in Watchkeeper. One file per table; each function takes an open connection."""
