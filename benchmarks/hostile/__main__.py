"""See the package."""

from __future__ import annotations

import sys

from .endured import endured


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    seconds, runners = float(words[0]) if words else 300.0, int(words[1]) if len(words) > 1 else 200
    figures = endured(seconds, runners, limits="--without-limits" not in sys.argv)
    wrong = figures.wrong(slack=1.0)
    print(figures.table(), *wrong or ["all endured"], sep="\n", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
