"""The command line: each command is parse, one call into the core, render."""
