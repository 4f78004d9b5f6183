"""What units that were started by an earlier version call at their end: see ``reclaim``."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from places import Refused
from reclaim import main

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as exc:
        sys.exit(str(exc))
