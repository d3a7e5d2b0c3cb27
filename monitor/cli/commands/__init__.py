"""The commands, one file per command or command group."""
