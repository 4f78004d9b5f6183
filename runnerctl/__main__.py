"""``python -m runnerctl``."""

from runnerctl.cli.main import main

main()
