"""``python -m airflow_provider_braze.sandbox``."""

from __future__ import annotations

import argparse

from airflow_provider_braze.sandbox.server import build_app, serve


def main() -> None:
    """Read the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_braze.sandbox")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--limited-key", action="append", default=[])
    options = parser.parse_args()
    serve(build_app({options.api_key: None}), options.host, options.port)


if __name__ == "__main__":
    main()
