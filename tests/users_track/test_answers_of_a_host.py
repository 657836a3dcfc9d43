"""Whole pushes against a host that answers 2xx and means something else, and against answers of megabytes."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest

from tests.users_track.answering import Answering, http
from tests.users_track.pushing import Pushed, event, people, run, workspace


def pushed(answer: Any, status: int = 201) -> Pushed:
    """Push two people and two of their events, in one request."""
    with Answering(lambda _: http(status, answer)) as server:
        found = run([*people(2), event("e1", 8), event("e2", 9)], workspace(server.url))
        assert server.requests == 1
        return found


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "failure"},
        {"error": "no"},
        {"attributes_processed": 1, "events_processed": 1},
        [],
        b"",
    ],
)
def test_a_bare_2xx_leaves_every_record_unknown(status: int, answer: Any) -> None:
    found = pushed(answer, status)
    assert found.counts == {"unknown": 4}
    assert found.written.lines("unknown") == [2, 3, 8, 9]


@pytest.mark.parametrize(
    "answer", [{"message": "SUCCESS"}, {"attributes_processed": 2, "events_processed": 2}]
)
def test_a_sign_of_success_accepts_them(answer: Any) -> None:
    assert pushed(answer).counts == {"accepted": 4}
    assert pushed(codecs.BOM_UTF8 + json.dumps(answer).encode()).counts == {"accepted": 4}


def test_an_error_about_attributes_leaves_events_alone() -> None:
    error = {"type": "odd", "input_array": "attributes"}
    found = pushed({"message": "success", "errors": [error]})
    assert found.counts == {"unknown": 2, "accepted": 2}
    assert found.written.lines("unknown") == [2, 3]


def test_an_answer_of_megabytes_is_kept_in_part() -> None:
    errors = [{"type": f"odd {n}", "input_array": "attributes", "index": 0} for n in range(40_000)]
    answer = {"message": "success", "errors": errors}
    assert len(json.dumps(answer)) > 2_000_000
    found = pushed(answer)
    assert found.counts == {"rejected": 1, "accepted": 3}
    assert len(str(found.ledger.reasons)) < 1000
