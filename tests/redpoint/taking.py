"""Reading several rows at a time, for tests that compare it with reading them one by one."""

from __future__ import annotations

from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.record_scanner import Record, RecordScanner


def taken(reader: ExportReader | RecordScanner, most: int) -> list[Record]:
    """Read several rows at a time, and give them one by one."""
    found: list[Record] = []
    texts: list[str] = []
    rows: list[list[str]] = []
    while (read := reader.take(most)) is not None:
        if isinstance(read, Record):
            found.append(read)
            continue
        assert 0 < len(read.cells) <= most
        texts += read.texts
        rows += read.cells
        found += [Record(line, cells, None) for line, cells in zip(read.lines, read.cells, strict=True)]
    # Whoever needs the cells of a record again cuts it later, whatever was learnt of the export by then.
    assert [reader.cut(text) for text in texts] == rows
    return found
