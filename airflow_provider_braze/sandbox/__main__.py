"""``python -m airflow_provider_braze.sandbox``: a stand-in for a Braze workspace on this machine."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_braze.sandbox.endpoints.api import Rules
from airflow_provider_braze.sandbox.endpoints.routes import PER_MINUTE, PERMISSIONS
from airflow_provider_braze.sandbox.server import Sandbox, serve
from airflow_provider_braze.sandbox.traffic.rate import HEADER_FAMILIES, RateLimit, read_rate


def _rate(text: str) -> tuple[int, float]:
    try:
        return read_rate(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither N (a second) nor N/S (in S seconds)") from None


def _named_rate(text: str) -> tuple[str, tuple[int, float]]:
    name, given, rate = text.partition("=")
    if name not in PER_MINUTE or not given:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=N or NAME=N/S; there are {', '.join(PER_MINUTE)}"
        )
    return name, _rate(rate)


def _limited_key(text: str) -> tuple[str, frozenset[str]]:
    key, _, names = text.rpartition(":")
    permissions = frozenset(name for name in names.split(",") if name)
    unknown = sorted(permissions - PERMISSIONS)
    if not key or unknown:
        known = ", ".join(sorted(PERMISSIONS))
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY:PERMISSION[,PERMISSION]; there are {known}")
    return key, permissions


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return number


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _key(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a key must be given")
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


def _file(text: str) -> str:
    if not os.access(text, os.R_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read")
    return text


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    lines = argparse.ArgumentParser(prog="python -m airflow_provider_braze.sandbox", description=__doc__)
    add = lines.add_argument
    add(
        "--api-key",
        type=_key,
        required=True,
        metavar="KEY",
        help="the REST API key to take, with every permission",
    )
    add(
        "--limited-key",
        type=_limited_key,
        action="append",
        default=[],
        metavar="KEY:PERMISSIONS",
        help="another key with only these permissions, for example k2:users.export.ids",
    )
    add("--port", type=_port, default=0, help="0, the default, takes a free one")
    add(
        "--host", default="127.0.0.1", help="the address to listen on (127.0.0.1); control routes need no key"
    )
    add("--until-stdin-ends", action="store_true", help="end with whoever started it, however that ends")
    add("--tls-certificate", type=_file, metavar="FILE", help="PEM; serve https")
    add("--tls-key", type=_file, metavar="FILE", help="PEM; the certificate's key")
    _add_behaviour(lines)
    return lines


def _add_behaviour(lines: argparse.ArgumentParser) -> None:
    """Add how the workspace answers, and what it keeps of that."""
    add = lines.add_argument
    add("--latency-ms", type=_not_negative, default=0, metavar="N", help="answer N milliseconds late")
    add("--rate", type=_rate, metavar="N|N/S", help="requests to /users/track a second, or in S seconds")
    add("--export-rate", type=_rate, metavar="N|N/S", help="the same for /users/export/ids")
    add(
        "--limit",
        type=_named_rate,
        action="append",
        default=[],
        metavar="NAME=N|N/S",
        help=f"the same for other endpoints that share a limit: {', '.join(PER_MINUTE)}",
    )
    add("--rate-headers", choices=HEADER_FAMILIES, default="epoch", help="which headers tell of the limit")
    add(
        "--lag",
        type=_not_negative,
        default=0,
        metavar="S",
        help="/users/export/ids sees writes S seconds later",
    )
    add("--require-fields", action="store_true", help="/users/export/ids requires fields_to_export")
    add(
        "--objects-per-request",
        type=_count,
        default=75,
        metavar="N",
        help="objects that one request may hold (75)",
    )
    add(
        "--per-array",
        action="store_true",
        help="count objects in each array by itself, as legacy contracts do",
    )
    add("--oversize-status", type=int, choices=(413, 400), default=413, help="the status for over 4 MB")
    add("--error-codes", action="store_true", help="name refusals by documented codes instead of sentences")
    add(
        "--blocked-user",
        action="append",
        default=[],
        metavar="ID",
        help="an external id that is refused, as Braze blocks some",
    )
    add(
        "--keep-requests",
        type=int,
        default=20,
        metavar="N",
        help="requests that GET /sandbox/requests shows (20)",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve until told to stop."""
    options = parser().parse_args(arguments)
    limits = [
        RateLimit(*(rate or ()), family=options.rate_headers) for rate in (options.rate, options.export_rate)
    ]
    rules = Rules(
        keys={options.api_key: None, **dict(options.limited_key)},
        track_limit=limits[0],
        export_limit=limits[1],
        limits={name: RateLimit(*rate, family=options.rate_headers) for name, rate in options.limit},
        objects_per_request=options.objects_per_request,
        per_array=options.per_array,
        oversize_status=options.oversize_status,
        require_fields=options.require_fields,
        codes=options.error_codes,
    )
    sandbox = Sandbox(
        rules,
        latency=options.latency_ms / 1000,
        lag=options.lag,
        keep_requests=max(0, options.keep_requests),
        blocked=frozenset(options.blocked_user),
    )
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    # Profiles live as long as the process: looking through all of them for garbage only costs time.
    gc.set_threshold(100_000, 50, 1000)
    try:
        serve(sandbox, options.host, options.port, certificate=options.tls_certificate, key=options.tls_key)
    except OSError as error:
        sys.exit(f"The sandbox cannot listen on {options.host}:{options.port}: {error}")


def _end_with_stdin() -> None:
    # Nobody writes to it: it ends when its other end does, also where that process was killed. Not by sys.stdin, whose
    # lock this thread would hold when the interpreter ends.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
