"""The command line, `vsreid`."""
