"""Run every property test again and again, each time with examples that nobody has seen: ``make explore``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

ROUND = ["-m", "hypothesis", "--hypothesis-profile=explore", "-n", "2", "-q", "-x", "--no-header"]


def main() -> int:
    """Explore until the time is up or something was found; the exit code is pytest's."""
    options = argparse.ArgumentParser(prog="python -m tests.explore", description=__doc__)
    options.add_argument("--minutes", type=float, default=60.0, help="a round that began is ended (60)")
    options.add_argument("tests", nargs="*", default=["tests"], help="files or folders (all)")
    asked = options.parse_args()
    until, rounds = time.monotonic() + asked.minutes * 60, 0
    while not rounds or time.monotonic() < until:
        rounds += 1
        code = subprocess.call([sys.executable, "-m", "pytest", *ROUND, *asked.tests])
        if code:
            print(
                f"Round {rounds} found something: the same command tries it first; give it a test of its own."
            )
            return code
    print(f"{rounds} rounds of new examples found nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
