"""What must hold whatever is fed: to the export reader, the mapper, the reader of answers, and the client."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from airflow_provider_braze.exceptions import ExportError, MappingError
from airflow_provider_braze.pushes.rows.row_values import BadRowError, as_json, as_text
from airflow_provider_braze.pushes.rows.rows_source import _content_of
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD
from airflow_provider_braze.rejects.reader import RejectsReader
from airflow_provider_braze.users_track.batching.merge_window import Batch, MergeWindow, ProfileObject
from airflow_provider_braze.users_track.delivery.interpret import Action, interpret, message_of, parse
from airflow_provider_braze.users_track.delivery.lookup import known_users
from airflow_provider_braze.users_track.ledger.reasons import LONGEST
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Identity, Mapper, Profile
from airflow_provider_braze.users_track.records import RecordReference
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.client import (
    MOST_ANSWER_BYTES,
    Answer,
    Client,
    NoAnswerError,
)
from airflow_provider_braze.users_track.transport.limiter import LONGEST_PAUSE, Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.fuzz import inputs
from tests.redpoint.taking import taken
from tests.users_track import posting
from tests.users_track.comparing import compare

WORKSPACE = Workspace(endpoint="https://rest.example", api_key=inputs.KEY)


def read_file(given: tuple[bytes, dict[str, Any] | None]) -> None:
    """Give records in file order, each as wide as the header or with its problem named, or refuse the file."""
    data, dialect = given
    try:
        reader = (
            RejectsReader(io.BytesIO(data), name="fuzz")
            if dialect is None
            else ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="fuzz")
        )
        found = list(reader)
    except ExportError:
        return
    lines = [record.line for record in found]
    assert dialect is None or lines == sorted(set(lines))
    for record in found:
        assert record.problem or len(record.cells) == len(reader.columns)
        assert sum(map(len, record.cells)) <= MAX_RECORD
    assert reader.bytes_read == len(data)
    if dialect is not None:
        again = ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="fuzz")
        assert taken(again, most=100) == found


def map_records(given: tuple[list[str], list[list[str]], dict[str, Any], str]) -> None:
    """Give objects that Braze can take, or say which column is wrong without repeating what is in it."""
    columns, rows, options, mode = given
    try:
        mapper = Mapper(columns, ExportMapping.of(options), mode=mode, offer="Spring Welcome")
    except (MappingError, ExportError):
        return
    if rows and mapper.by_column() is not None:
        compare(mapper, rows)
    window = MergeWindow()
    for line, cells in enumerate(rows, 2):
        bad, (identity, profile) = _map(mapper, cells)
        if bad is not None:
            assert not [cell for cell in cells if len(cell) > 30 and cell in str(bad)]
            continue
        assert profile["_update_existing_only"] is (mode == "append")
        window.add(ProfileObject("attributes", identity, profile, [RecordReference.of(line, cells)]))
    window.finish()
    while (batch := window.take()) is not None:
        body = batch.body(None)
        assert len(body) <= limits.BYTES_PER_REQUEST
        assert isinstance(parse(body), dict)
        window.release(batch.parts)
    assert window.empty


def _map(mapper: Mapper, cells: list[str]) -> tuple[BadRecordError | None, tuple[Identity, Profile]]:
    try:
        return None, mapper.map(cells)
    except BadRecordError as error:
        return error, ((), {})


def read_row(row: Any) -> None:
    """Give JSON or say why not, without a value. Pushed again from a rejects file, an invalid row is invalid again."""
    body, reason = _body_of(lambda: as_json(row))
    text = as_text(row)
    assert inputs.KEY not in f"{reason}{text}"
    text.encode()
    again, reason = _body_of(lambda: _read_back(text))
    assert again in (body, None) if body else again is None, (body, again, reason)


def _read_back(text: str) -> dict[str, Any]:
    content, problem = _content_of(text)
    if content is None:
        raise BadRowError(str(problem))
    return content


def _body_of(read: Callable[[], dict[str, Any]]) -> tuple[bytes | None, str]:
    """Give what would be sent of a row, or why nothing is."""
    try:
        item = ProfileObject("attributes", (), read(), [])
    except BadRowError as bad:
        return None, str(bad)
    reason = item.encode()
    return (bytes(item.body), "") if reason is None else (None, reason)


_JITTER = itertools.cycle([0.0, 0.5, 1.0]).__next__


def read_answer(given: tuple[int, bytes, dict[str, str]]) -> None:
    """Give each object of a batch one outcome or say what to do next; never the key, and never a wait without end."""
    status, body, headers = given
    items = [
        ProfileObject(
            "attributes", ("external_id", f"U{n}"), {"external_id": f"U{n}", "first_name": "Ann"}, []
        )
        for n in range(3)
    ] + [ProfileObject("events", ("external_id", "U9"), {"external_id": "U9", "name": "chat"}, [])]
    for item in items:
        assert item.encode() is None
    batch = Batch(items)
    interpretation = interpret(status, body, batch, WORKSPACE.redact)
    if interpretation.action is Action.SETTLE:
        assert [item for item, _, _ in interpretation.outcomes] == items
        assert {outcome for _, outcome, _ in interpretation.outcomes} <= {"accepted", "rejected", "unknown"}
    else:
        assert not interpretation.outcomes
    assert (interpretation.action is Action.STOP) == (interpretation.error is not None)
    assert not (200 <= status < 300) or interpretation.action in (Action.ACCEPT, Action.SETTLE)
    said = [reason for _, _, reason in interpretation.outcomes] + [
        str(interpretation.note),
        repr(interpretation.error),
    ]
    assert not [text for text in said if inputs.KEY in text]
    answer = parse(body)
    assert len(message_of(answer)) <= LONGEST + 2
    if isinstance(answer, dict):
        assert isinstance(known_users(answer), set)
    _obey(status, headers)


def _obey(status: int, headers: dict[str, str]) -> None:
    now = 0.0
    limiter = Limiter(1000, clock=lambda: now, wall=lambda: 1.795e9, jitter=_JITTER)
    limiter.answered(status, headers)
    assert 0 <= limiter.paused_for <= 1.2 * LONGEST_PAUSE


class Wire:
    """A client and a server that answers with whatever bytes it is given; both live as long as the target does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._bytes = b""
        self._url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._bytes)
        writer.close()

    async def _ask(self) -> Answer | NoAnswerError:
        if not self._url:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self._url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        workspace = Workspace(endpoint=self._url, api_key=inputs.KEY, timeout=5)
        return await asyncio.to_thread(_post, workspace)

    def __call__(self, data: bytes) -> None:
        """Give an answer or say that there was none, and never wait for what cannot come."""
        self._bytes = data
        answer = self._loop.run_until_complete(self._ask())
        if isinstance(answer, Answer):
            assert len(answer.body) <= MOST_ANSWER_BYTES
        else:
            # The original exception holds the request, and with it the key.
            assert answer.__cause__ is answer.__context__ is None


def _post(workspace: Workspace) -> Answer | NoAnswerError:
    with Client(workspace) as client:
        try:
            return posting.post(client, "/users/track", b"{}")
        except NoAnswerError as error:
            return error


@dataclass(frozen=True, slots=True)
class Target:
    """What is fed: a check, what draws its inputs, and its share of them in thousandths."""

    check: Callable[[Any], None]
    draw: Callable[[Random], Any]
    share: int


TARGETS = {
    "export reader": Target(read_file, inputs.file_and_dialect, 340),
    "rows": Target(read_row, inputs.row, 50),
    "mapper": Target(map_records, inputs.records, 300),
    "response reader": Target(read_answer, inputs.answer, 300),
    "client": Target(Wire(), inputs.wire, 10),
}
