"""``python -I -S -B __main__.py RUN_DIR [--lease-fd N]``: see ``start``.

Run by its file and not by its directory: the machinery that runs a directory costs as much as the interpreter's start.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from start import main

# No interpreter to tear down: nothing is buffered.
os._exit(main(sys.argv[1:]))
