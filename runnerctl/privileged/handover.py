"""What units installed by an earlier version call: see ``chown_to_job``."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from chown_to_job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
