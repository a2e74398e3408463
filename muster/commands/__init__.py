"""The commands, one file per group of them.  Each is a thin shell over a door."""
