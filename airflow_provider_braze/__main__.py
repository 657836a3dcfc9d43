"""What is done in a terminal, without Airflow.

`python -m airflow_provider_braze plan EXPORT` says what a push would do; `find ID FOLDER` says what failed for one
user; `tidy --older-than 90d FOLDER` deletes old reports and rejects; `memory show|forget|check` is about what Braze was
told.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from airflow_provider_braze import memory_command
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.memory import inspecting
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.previewing import Previews
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.search_rejects import search_rejects
from airflow_provider_braze.pushes.sources.export_item import AUTO, ExportItem
from airflow_provider_braze.pushes.sources.export_source import ExportSource, ResolvedExport, open_buffered
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import DEFAULT_CHANNEL_MODES
from airflow_provider_braze.storage.tidying import read_age, tidy
from airflow_provider_braze.users_track.batching.merge_window import SourceItem
from airflow_provider_braze.users_track.delivery.plan import Plan, plan
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import Sink
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.records import RecordReference
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.workspace import Workspace

_SHOWN_FAILURES = 10

_BASE_PATH = "AIRFLOW_VAR_REDPOINT_BASE_PATH"
"""Environment variable of the Airflow Variable that the shipped DAGs take their base path from."""


class _FirstFailures(Sink):
    """Keeps the first failed records to be shown: line, column and reason, no cells."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str]] = []

    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:  # noqa: ARG002
        """Keep one record."""
        if len(self.rows) < _SHOWN_FAILURES:
            self.rows.append((reference.line, column, reason))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    :return: 0 when every record could be sent, everything old was deleted, or all rejects were searched; 1 when some
        could not; 2 when the export or an argument is wrong.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Not every terminal takes every character, nor does a pipe on Windows.
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "memory":
            return memory_command.run(parsed, _folder)
        return {"tidy": _tidy, "find": _find, "plan": _plan}[parsed.command](parsed)
    except (BrazeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_braze", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "plan", help="read and check an export, send nothing, and say what a push would do"
    )
    command.add_argument("export", metavar="EXPORT", help="an export or a rejects file")
    command.add_argument("--mode", default=AUTO, help="auto (by the channel in the path), upsert or append")
    command.add_argument("--mapping", type=Path, metavar="FILE", help="the operator's mapping as JSON")
    for name in ("delimiter", "qualifier", "encoding", "line-end"):
        command.add_argument(f"--{name}", help="what is known of the file's form")
    command.add_argument(
        "--columns", help="names of the columns of an export without header row, with commas between"
    )
    command.add_argument("--skip-lines", help="how many lines stand before the header row")
    command.add_argument(
        "--requests-per-second", type=float, default=limits.REQUESTS_PER_SECOND, help="the workspace's limit"
    )
    command.add_argument(
        "--objects-per-request", type=int, default=limits.OBJECTS_PER_REQUEST, help="as the contract allows"
    )
    command.add_argument(
        "--show-values", action="store_true", help="show the first payloads with their values"
    )
    command.add_argument("--json", action="store_true", help="print the plan as JSON")
    command.add_argument(
        "--only-changed",
        action="store_true",
        help="leave out what Braze was told before, as the memory knows it",
    )
    memory_command.add_options(command)
    command = commands.add_parser("find", help="look a user up in the rejects of the reports folder")
    command.add_argument("user", metavar="ID", help="external id, or what else identified users in the push")
    memory_command.add_options(command)
    _add_folder(command)
    memory_command.add_parsers(commands, _add_folder)
    command = commands.add_parser("tidy", help="delete reports and rejects that are old; markers stay")
    _add_folder(command)
    command.add_argument("--older-than", required=True, metavar="AGE", help="such as 12h, 90d or 4w")
    command.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    return parser


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help=f"the reports folder, or the base path above it (default: what {_BASE_PATH} names)",
    )


def _folder(parsed: argparse.Namespace) -> str:
    folder = parsed.folder or os.environ.get(_BASE_PATH)
    if not folder:
        raise BrazeSetupError(f"Give the reports folder, or the base path above it, or set {_BASE_PATH}.")
    return str(folder)


def _find(parsed: argparse.Namespace) -> int:
    searched = search_rejects(_folder(parsed), parsed.user)
    console = Console(soft_wrap=True)
    for each in searched.rejects:
        where = f"{each.export or 'rows'}, {'line' if each.export else 'index'} {each.line}"
        why = f"{each.column}: {each.reason}" if each.column else each.reason
        console.print(_plain(f"{each.started_at[:19]}  {each.outcome}  {where}  {why}"))
        console.print(_plain(f"    {each.rejects}"))
    console.print(
        _plain(
            f"{len(searched.rejects):,} records of this user in {searched.files:,} rejects files. "
            "What was accepted is not kept there."
        )
    )
    problems = list(searched.problems)
    for memory in memory_command.memories(parsed, _folder):
        with inspecting.Glimpses(memory) as glimpses:
            at = glimpses.of(parsed.user, lambda store: store.last_told(parsed.user))
        problems += glimpses.problems
        if at is not None:
            console.print(
                _plain(f"{at[:19]}  began the push of which Braze accepted something last: {memory.url}")
            )
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _tidy(parsed: argparse.Namespace) -> int:
    tidied = tidy(_folder(parsed), read_age(parsed.older_than), dry_run=parsed.dry_run)
    verb = "would be deleted" if parsed.dry_run else "deleted"
    print(f"{tidied.files:,} files of {tidied.pushes:,} pushes {verb}; markers stay.")
    for url in tidied.kept:
        print(f"kept, because no push wrote it: {url}")
    for problem in tidied.problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if tidied.problems else 0


def _plan(parsed: argparse.Namespace) -> int:
    mapping = ExportMapping.of(_read_json(parsed.mapping)) if parsed.mapping else None
    item = ExportItem.of(parsed.export, DEFAULT_CHANNEL_MODES)
    mode = item.resolve_mode(parsed.mode, DEFAULT_CHANNEL_MODES)
    resolved = ResolvedExport(item, mode, item.resolve_mapping(mapping), _dialect(parsed))
    workspace = Workspace.from_settings(
        "localhost",
        "unused",
        {
            "requests_per_second": parsed.requests_per_second,
            "objects_per_request": parsed.objects_per_request,
        },
    )
    failures = _FirstFailures()
    ledger = Ledger(failures)
    location = item.look().location
    with open_buffered(location) as file:
        source = ExportSource(file, resolved)
        with (
            _shown(source, ledger, location.stat().size) as objects,
            _memory(parsed, item) as changes,
        ):
            planned = plan(
                objects, workspace, ledger, united=source.united, users=UserCount(), changes=changes
            )
    if parsed.json:
        found = {
            "mode": mode,
            **reports.counts(ledger),
            **({"data_points_saved": sum(ledger.total.saved.values())} if parsed.only_changed else {}),
            **source.facts(),
            **planned.as_dict(show_values=parsed.show_values),
        }
        as_written = (sys.stdout.encoding or "utf").lower().startswith("utf")
        print(json.dumps(found, indent=2, ensure_ascii=not as_written))
    else:
        _print(ledger, planned, source, mode, failures, show_values=parsed.show_values)
    return 1 if ledger.failed else 0


@contextmanager
def _memory(parsed: argparse.Namespace, item: ExportItem) -> Iterator[Memory | None]:
    """Open the memory of what Braze was told, where it is asked for."""
    if not parsed.only_changed:
        yield None
        return
    found = memory_command.memories(parsed, lambda _: _folder_of_memory(item))
    if not found:
        raise memory_command.no_memory(parsed, lambda _: _folder_of_memory(item))
    if len(found) > 1:
        raise BrazeSetupError(f"There are {len(found)} memories: name one with --conn-id.")
    with closing(Previews()) as previews:
        yield previews.memory(found[0], Wish(only_changed=True), None, "plan")


def _folder_of_memory(item: ExportItem) -> str:
    folder = item.reports_path or os.environ.get(_BASE_PATH)
    if not folder:
        raise BrazeSetupError(
            f"{item.path} does not lie in [Channel]/[Offer]/[Workflow ID], so that its place tells nothing of the "
            f"memory: name it with --memory-path, or set {_BASE_PATH}."
        )
    return folder


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise BrazeSetupError(f"{path} is not JSON: {error}.") from None


def _dialect(parsed: argparse.Namespace) -> Dialect:
    names = ("delimiter", "qualifier", "encoding", "line_end", "skip_lines")
    given = {name: getattr(parsed, name) for name in names}
    if parsed.columns:
        given["columns"] = [name.strip() for name in parsed.columns.split(",")]
    return Dialect.from_dict({name: value for name, value in given.items() if value is not None})


@contextmanager
def _shown(source: ExportSource, ledger: Ledger, size: int) -> Iterator[Iterator[SourceItem]]:
    """Show a progress bar on standard error while the objects are taken, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("Planning"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=max(size, 1))

        def objects() -> Iterator[SourceItem]:
            shown = seen = 0
            for found in source.objects(ledger):
                seen += len(found) if isinstance(found, list) else 1
                if seen - shown >= 1000:
                    shown = seen
                    progress.update(
                        task, completed=source.bytes_read, description=f"{ledger.records:,} records"
                    )
                yield found

        yield objects()


def _print(
    ledger: Ledger,
    planned: Plan,
    source: ExportSource,
    mode: str,
    failures: _FirstFailures,
    *,
    show_values: bool,
) -> None:
    console = Console()
    console.print(f"[bold]{ledger.records:,} records[/bold], mode {mode}; nothing was sent.")
    saved = sum(ledger.total.saved.values())
    facts = Table(show_header=False, box=None)
    rows = {
        "planned": ledger.outcomes["planned"],
        **({"unchanged": ledger.outcomes["unchanged"]} if ledger.outcomes["unchanged"] else {}),
        "invalid": ledger.outcomes["invalid"],
        "users": planned.users,
        "requests": planned.planned_requests,
        "bytes": planned.planned_bytes,
        "data points": ledger.data_points.total(),
        **({"data points without the memory": ledger.data_points.total() + saved} if saved else {}),
    }
    for name, value in rows.items():
        facts.add_row(name, f"{value:,}")
    facts.add_row("at the limit", f"{planned.seconds_at_limit:,.1f} s")
    console.print(facts)
    _print_counts(console, "Data points", ledger.data_points.by_attribute())
    _print_counts(console, "Data points saved", ledger.total.saved)
    counts = source.counts_by_column()
    _print_counts(console, "Bad values left out", counts["omitted_values"])
    _print_counts(console, "Values whose blanks were cut", counts["trimmed"])
    _print_counts(console, "Words that became codes", counts["normalised"])
    _print_counts(console, "Reasons", ledger.reasons)
    for line, column, reason in failures.rows:
        console.print(_plain(f"  line {line}: {column + ': ' if column else ''}{reason}"))
    for payload in planned.as_dict(show_values=show_values)["sample_payloads"]:
        console.print_json(data=payload)


def _print_counts(console: Console, title: str, counts: Any) -> None:
    if counts:
        table = Table("", "", title=title, show_header=False, box=None, title_justify="left")
        for name, count in sorted(counts.items(), key=lambda each: -each[1]):
            table.add_row(_plain(str(name)), f"{count:,}")
        console.print(table)


def _plain(text: str) -> Text:
    """Show a text of the file as it is: neither markup to rich, nor a command to the terminal."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


if __name__ == "__main__":
    sys.exit(main())
