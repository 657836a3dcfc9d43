"""Every example of docs/mapping.md is run through the mapper."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Identifier, Tag, Type
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "mapping.md"
OFFER = "Spring Welcome"


class Example(NamedTuple):
    """Records, a mapping, and what comes of them: profile objects as JSON, or an error as text."""

    line: int
    records: str
    mapping: str
    kind: str
    outcome: str


def _examples() -> Iterator[Example]:
    found = list(blocks(PAGE))
    for at, block in enumerate(found):
        if block.language == "csv":
            mapping, outcome = found[at + 1 : at + 3]
            assert (mapping.language, outcome.language) in [("python", "json"), ("python", "text")], (
                block.line
            )
            yield Example(block.line, block.text, mapping.text, outcome.language, outcome.text)


EXAMPLES = list(_examples())


def _evaluate(source: str) -> Any:
    """Run the example's statements and give the value of its last line."""
    names: dict[str, Any] = {
        "ExportMapping": ExportMapping,
        "Identifier": Identifier,
        "Tag": Tag,
        "Type": Type,
    }
    *statements, last = ast.parse(source).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(statements, []), "mapping.md", "exec"), names)
    return eval(compile(ast.Expression(last.value), "mapping.md", "eval"), names)


def _profiles(example: Example) -> list[dict[str, Any]]:
    reader = ExportReader(io.BytesIO(example.records.encode()), name="example")
    mapper = Mapper(reader.columns, ExportMapping.of(_evaluate(example.mapping)), mode="upsert", offer=OFFER)
    return [mapper.map(record.cells)[1] for record in reader]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"line {each.line}")
def test_an_example_gives_what_the_page_says(example: Example) -> None:
    if example.kind == "json":
        expected = json.loads(example.outcome)
        assert _profiles(example) == (expected if isinstance(expected, list) else [expected])
        return
    with pytest.raises((MappingError, BadRecordError)) as raised:
        _profiles(example)
    error = raised.value
    said = f"MappingError: {error}" if isinstance(error, MappingError) else _invalid(error)
    assert said == example.outcome.strip()


def _invalid(error: Any) -> str:
    return f"invalid: {error.column}: {error.reason}" if error.column else f"invalid: {error.reason}"


def test_there_are_examples_of_every_option_and_the_equal_dict_is_one() -> None:
    text = "\n".join(example.mapping for example in EXAMPLES)

    assert len(EXAMPLES) > 20
    for name in (each.name for each in ExportMapping.__dataclass_fields__.values()):
        assert f"{name}=" in text or f'"{name}"' in text, name
    as_json = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"][-1]
    assert ExportMapping.of(as_json).as_dict() == as_json
