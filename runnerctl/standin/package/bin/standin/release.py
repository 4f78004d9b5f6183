"""Which release this is. ``build_archive`` writes this file anew for the version it was asked for."""

VERSION = "2.336.0"
COMMIT = "0000000000000000000000000000000000000000"
