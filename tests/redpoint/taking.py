"""Reading several rows at a time, for tests that compare it with reading them one by one."""

from __future__ import annotations

from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.record_scanner import Record, RecordScanner


def taken(reader: ExportReader | RecordScanner, most: int) -> list[Record]:
    """Read several rows at a time, and give them one by one."""
    found: list[Record] = []
    while (read := reader.take(most)) is not None:
        if isinstance(read, Record):
            found.append(read)
            continue
        assert 0 < len(read.cells) <= most
        assert [reader.cut(text) for text in read.texts] == read.cells
        found += [Record(line, cells, None) for line, cells in zip(read.lines, read.cells, strict=True)]
    return found
