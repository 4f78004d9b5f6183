"""``python -m runnerctl.server``: the same as ``runnerctl serve``."""

import sys

from runnerctl.cli.main import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
