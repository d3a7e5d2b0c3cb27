"""The store: the only SQL in Watchkeeper. One file per noun; each function works on a connection it is given."""
