"""``python -m demo [--ui [--port 8080]]``."""

from __future__ import annotations

import argparse

from demo.serve import serve
from demo.show import show


def main() -> int:
    """Run the demo that was asked for."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--ui", action="store_true", help="keep Airflow and its UI running, with exports landing"
    )
    parser.add_argument("--port", type=int, default=8080, help="port of the UI (default 8080)")
    arguments = parser.parse_args()
    return serve(arguments.port) if arguments.ui else show()


if __name__ == "__main__":
    raise SystemExit(main())
