"""Verdicts: what each documented and recorded answer of Braze says of each object."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazePermissionError,
    BrazeRefusedError,
)
from airflow_provider_braze.users_track.batching.merge_window import Batch
from airflow_provider_braze.users_track.delivery import interpret as module
from airflow_provider_braze.users_track.delivery.interpret import (
    Action,
    Interpretation,
    interpret,
    message_of,
    parse,
    refusal,
)
from airflow_provider_braze.users_track.ledger.reasons import LONGEST_READ
from tests.users_track.pushing import KEY, batch_of, event, people, profile_object, purchase

EMAIL = "The value provided for the 'email' field is not a valid email."
ALL_BAD = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


def redact(text: str) -> str:
    return text.replace(KEY, "***")


def answered(status: int, answer: Any, batch: Batch | None = None) -> Interpretation:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return interpret(status, body, batch or three(), redact)


def three() -> Batch:
    return batch_of(*people(3))


def mixed() -> Batch:
    """Attributes 0 and 1, events 0 and 1, purchase 0, not in the order of the arrays."""
    return batch_of(profile_object("a"), event("a"), profile_object("b"), event("c"), purchase("d"))


def outcomes(interpretation: Interpretation) -> list[str]:
    assert interpretation.action is Action.SETTLE
    return [outcome for _, outcome, _ in interpretation.outcomes]


def reasons(interpretation: Interpretation) -> list[str]:
    return [reason for _, _, reason in interpretation.outcomes]


def counting(call: Callable[[], Interpretation]) -> tuple[Interpretation, int]:
    """Call, and count the instructions of Python that are carried out meanwhile: a loop without calls counts, too."""
    steps = 0

    def step(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        return call(), steps
    finally:
        sys.settrace(before)


class SeenText(str):
    """A text of which each comparison is an instruction of Python: one that a list is searched for would count."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __getitem__(self, key: Any) -> SeenText:
        return SeenText(str.__getitem__(self, key))


class SeenError(dict[str, Any]):
    """The same of an error in an answer."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self, other)


def named(index: Any, array: Any = "attributes", **rest: Any) -> dict[str, Any]:
    return {"type": EMAIL, "input_array": array, "index": index, **rest}


class TestSuccess:
    @pytest.mark.parametrize("status", [200, 201, 203, 207])
    @pytest.mark.parametrize("errors", [{}, {"errors": None}, {"errors": []}])
    def test_json_without_errors_is_accepted(self, status: int, errors: dict[str, Any]) -> None:
        interpretation = answered(status, {"attributes_processed": 3, "message": "success", **errors})
        assert interpretation.action is Action.ACCEPT
        assert interpretation.note is None

    def test_every_object_has_its_outcome_in_the_batchs_order(self) -> None:
        batch = mixed()
        interpretation = answered(201, {"message": "success", "errors": [named(1, "events")]}, batch)
        assert [item for item, _, _ in interpretation.outcomes] == batch.items
        assert outcomes(interpretation) == ["accepted", "accepted", "accepted", "rejected", "accepted"]

    def test_an_index_counts_within_its_array(self) -> None:
        for array, index, position in [
            ("attributes", 0, 0),
            ("attributes", 1, 2),
            ("events", 0, 1),
            ("events", 1, 3),
            ("purchases", 0, 4),
        ]:
            found = outcomes(answered(201, {"message": "success", "errors": [named(index, array)]}, mixed()))
            assert [n for n, outcome in enumerate(found) if outcome == "rejected"] == [position]

    def test_the_recorded_partial_failure(self) -> None:
        push = "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'"
        answer = {
            "attributes_processed": 1,
            "errors": [
                {"index": 0, "input_array": "attributes", "type": push},
                {"index": 2, "input_array": "attributes", "type": "You must specify only one of ..."},
            ],
            "message": "success",
        }
        interpretation = answered(201, answer)
        assert outcomes(interpretation) == ["rejected", "accepted", "rejected"]
        assert reasons(interpretation) == [push, "", "You must specify only one of ..."]
        assert interpretation.note is None

    def test_several_errors_of_one_object_are_all_told_once(self) -> None:
        errors = [named(1, type=text) for text in ("first wrong", "second wrong", "first wrong")]
        answer = {"message": "success", "errors": errors}
        assert reasons(answered(201, answer)) == ["", "first wrong; second wrong", ""]

    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            (EMAIL, EMAIL),
            ("EMAIL_BAD_FORMAT", f"EMAIL_BAD_FORMAT: {EMAIL}"),
            ("email_bad_format", f"email_bad_format: {EMAIL}"),
            ("SOMETHING_NEW", "SOMETHING_NEW"),
        ],
    )
    def test_codes_and_sentences_are_understood(self, sent: str, told: str) -> None:
        assert reasons(answered(201, {"errors": [named(0, type=sent)]}))[0] == told

    @pytest.mark.parametrize("entry", [{"message": "said here"}, {"type": None, "message": "said here"}])
    def test_the_reason_may_be_in_message(self, entry: dict[str, Any]) -> None:
        interpretation = answered(201, {"errors": [{"input_array": "attributes", "index": 0, **entry}]})
        assert reasons(interpretation)[0] == "said here"

    def test_an_error_without_a_reason_rejects_too(self) -> None:
        interpretation = answered(201, {"errors": [{"input_array": "attributes", "index": 0}]})
        assert (outcomes(interpretation)[0], reasons(interpretation)[0]) == ("rejected", "no reason given")

    @pytest.mark.parametrize(
        "entry",
        [
            {"type": EMAIL},
            {"type": EMAIL, "index": 0},
            {"type": EMAIL, "input_array": "attributes"},
            named(-1),
            named(3),
            named(10**30),
            named(True),
            named(False),
            named("0"),
            named(0.0),
            named(None),
            named([0]),
            named(0, "user_identifiers"),
            named(0, "events"),
            named(0, None),
            named(0, 5),
            named(0, ["attributes"]),
            EMAIL,
            None,
            17,
            [],
            ["attributes", 0],
            {},
        ],
    )
    def test_an_entry_that_names_no_row_makes_its_batch_unknown(self, entry: Any) -> None:
        interpretation = answered(201, {"attributes_processed": 3, "message": "success", "errors": [entry]})
        assert outcomes(interpretation) == ["unknown"] * 3
        assert all(
            reason.startswith("Braze named an error but no record: ") for reason in reasons(interpretation)
        )

    def test_the_reason_of_an_entry_that_names_no_row_is_told(self) -> None:
        for entry, told in [({"type": "odd"}, "odd"), ("odd", "odd"), (None, "no reason given")]:
            interpretation = answered(201, {"errors": [entry]})
            assert reasons(interpretation)[0] == f"Braze named an error but no record: {told}"

    @pytest.mark.parametrize("errors", ["a text", {"type": "odd"}, 17, True])
    def test_errors_that_are_no_list_make_the_batch_unknown(self, errors: Any) -> None:
        assert outcomes(answered(201, {"errors": errors})) == ["unknown"] * 3

    def test_a_single_error_may_stand_without_a_list(self) -> None:
        answer = {"message": "success", "errors": named(1)}
        assert outcomes(answered(201, answer)) == ["accepted", "rejected", "accepted"]

    @pytest.mark.parametrize("order", [1, -1])
    def test_beside_an_entry_that_names_none_the_named_one_is_rejected(self, order: int) -> None:
        errors = [named(1), {"type": "odd"}][::order]
        interpretation = answered(201, {"attributes_processed": 3, "errors": errors})
        assert outcomes(interpretation) == ["unknown", "rejected", "unknown"]
        assert reasons(interpretation)[1] == EMAIL
        assert interpretation.note is None

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>ok</html>", b'{"message":"success"', b"[]", b'[{"message":"success"}]', b'"success"'],
    )
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_a_success_without_a_json_object_is_unknown(self, status: int, body: bytes) -> None:
        interpretation = answered(status, body)
        assert outcomes(interpretation) == ["unknown"] * 3
        assert reasons(interpretation)[0] == f"Braze answered {status} without JSON"

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            (202, {"message": "queued"}),
            (202, {}),
            (202, {"message": "success"}),
            (201, {"message": "queued"}),
        ],
    )
    def test_queued_is_unknown(self, status: int, answer: dict[str, Any]) -> None:
        interpretation = answered(status, answer)
        assert outcomes(interpretation) == ["unknown"] * 3
        assert reasons(interpretation)[0] == "Braze queued the request without processing it (maintenance)"

    @pytest.mark.parametrize(
        ("answer", "note"),
        [
            ({"attributes_processed": 2}, "Braze counted 2 attributes where 3 were to be expected"),
            ({"attributes_processed": 4}, "Braze counted 4 attributes where 3 were to be expected"),
            (
                {"attributes_processed": "u000001"},
                "Braze counted something that is no number of attributes where 3 were to be expected",
            ),
            (
                {"attributes_processed": True},
                "Braze counted something that is no number of attributes where 3 were to be expected",
            ),
            (
                {"attributes_processed": -3},
                "Braze counted something that is no number of attributes where 3 were to be expected",
            ),
            ({"events_processed": 1}, "Braze counted 1 events where 0 were to be expected"),
            ({"attributes_processed": 3, "events_processed": 0}, None),
            ({}, None),
        ],
    )
    def test_a_count_that_does_not_fit_is_noted_and_accepted(self, answer: dict[str, Any], note: str) -> None:
        interpretation = answered(201, {"message": "success", **answer})
        assert interpretation.action is Action.ACCEPT
        assert interpretation.note == note

    def test_beside_errors_the_count_is_of_the_rest(self) -> None:
        success = {"message": "success", "errors": [named(0)]}
        assert answered(201, {"attributes_processed": 2, **success}).note is None
        note = answered(201, {"attributes_processed": 3, **success}).note
        assert note == "Braze counted 3 attributes where 2 were to be expected"


SILENT = "Braze answered 201, but neither success nor counts that fit"


class TestTwoHundredIsNotEnough:
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"message": "failure"},
            {"message": "Bad Request"},
            {"message": None},
            {"message": ["success"]},
            {"message": {"success": True}},
            {"message": True},
            {"message": "success of others"},
            {"success": True},
            {"status": "success"},
            {"attributes_processed": 2},
            {"attributes_processed": 4},
            {"attributes_processed": -3},
            {"attributes_processed": "3"},
            {"attributes_processed": 3.0},
            {"attributes_processed": True},
            {"attributes_processed": [3]},
            {"attributes_processed": None},
            {"attributes_processed": 10**30},
            {"attributes_processed": 3, "events_processed": 1},
            {"events_processed": 3},
            {"message": "failure", "attributes_processed": 2},
        ],
    )
    @pytest.mark.parametrize("status", [200, 201])
    def test_without_success_or_counts_that_fit_nothing_is_accepted(
        self, status: int, answer: dict[str, Any]
    ) -> None:
        interpretation = answered(status, answer)
        assert outcomes(interpretation) == ["unknown"] * 3
        assert reasons(interpretation)[0] == SILENT.replace("201", str(status))
        assert interpretation.note is None

    @pytest.mark.parametrize("message", ["success", "Success", "SUCCESS", " success\n"])
    @pytest.mark.parametrize("counts", [{}, {"attributes_processed": 0}, {"attributes_processed": ["x"]}])
    def test_the_word_suffices(self, message: str, counts: dict[str, Any]) -> None:
        assert answered(201, {"message": message, **counts}).action is Action.ACCEPT

    @pytest.mark.parametrize(
        "rest", [{}, {"events_processed": 0, "purchases_processed": None}, {"message": None}, {"errors": []}]
    )
    def test_counts_that_fit_suffice(self, rest: dict[str, Any]) -> None:
        assert answered(200, {"attributes_processed": 3, **rest}).action is Action.ACCEPT

    @pytest.mark.parametrize("message", ["queued", "Queued", "QUEUED "])
    def test_queued_in_any_case_is_queued(self, message: str) -> None:
        assert reasons(answered(201, {"message": message}))[0].startswith("Braze queued the request")

    @pytest.mark.parametrize(
        "rest",
        [{}, {"message": "success"}, {"attributes_processed": 3}, {"errors": [], "message": "success"}],
    )
    @pytest.mark.parametrize("error", ["no", {"type": "no"}, ["no"]])
    def test_error_is_an_error_too(self, rest: dict[str, Any], error: Any) -> None:
        interpretation = answered(201, {"error": error, **rest})
        assert reasons(interpretation) == ["Braze named an error but no record: no"] * 3

    @pytest.mark.parametrize("error", [None, "", [], {}, False, 0])
    def test_an_empty_error_is_none(self, error: Any) -> None:
        for key in ("error", "errors"):
            assert answered(201, {"message": "success", key: error}).action is Action.ACCEPT

    def test_each_array_has_its_own_count(self) -> None:
        found = answered(201, {"attributes_processed": 2, "purchases_processed": 1}, mixed())
        assert outcomes(found) == ["accepted", "unknown", "accepted", "unknown", "accepted"]

    def test_beside_errors_the_rest_needs_a_sign_too(self) -> None:
        assert outcomes(answered(201, {"errors": [named(0)]})) == ["rejected", "unknown", "unknown"]
        fitting = {"attributes_processed": 2, "errors": [named(0)]}
        assert outcomes(answered(201, fitting)) == ["rejected", "accepted", "accepted"]


class TestAnErrorWithoutAnIndex:
    def test_leaves_other_arrays_alone(self) -> None:
        batch = mixed()
        error = {"type": "odd", "input_array": "attributes"}
        interpretation = answered(201, {"message": "success", "errors": [error]}, batch)
        assert outcomes(interpretation) == ["unknown", "accepted", "unknown", "accepted", "accepted"]

    @pytest.mark.parametrize("index", [2, -1, None, "0", True, 0.0, [0]])
    def test_so_does_one_whose_index_is_none(self, index: Any) -> None:
        answer = {"message": "success", "errors": [named(index, "events"), named(0, "events")]}
        interpretation = answered(201, answer, mixed())
        assert outcomes(interpretation) == ["accepted", "rejected", "accepted", "unknown", "accepted"]

    @pytest.mark.parametrize("array", ["user_identifiers", "", None, 5, ["attributes"]])
    def test_one_that_names_no_array_is_about_any(self, array: Any) -> None:
        error = {"type": "odd", "input_array": array}
        interpretation = answered(201, {"message": "success", "errors": [error]}, mixed())
        assert outcomes(interpretation) == ["unknown"] * 5

    def test_the_others_still_need_a_sign(self) -> None:
        error = {"type": "odd", "input_array": "attributes"}
        interpretation = answered(201, {"events_processed": 2, "errors": [error]}, mixed())
        assert outcomes(interpretation) == ["unknown", "accepted", "unknown", "accepted", "unknown"]


class TestLargeAnswers:
    """What is looked at is bounded, and each error is looked at once: seconds of work here would be the push's own."""

    def test_tens_of_thousands_of_errors_about_one_object(self) -> None:
        errors = [named(1, type=f"wrong {n} of {'y' * 40}") for n in range(40_000)]
        interpretation = answered(201, {"message": "success", "errors": errors})
        assert outcomes(interpretation) == ["accepted", "rejected", "accepted"]
        assert len(reasons(interpretation)[1]) < 2 * LONGEST_READ

    @pytest.mark.parametrize("status", [201, 400])
    @pytest.mark.parametrize(
        "error",
        [
            lambda n: named(n % 3, type=f"wrong {n}"),
            lambda n: named(1, type=f"wrong {n % 7}"),
            lambda n: named(n, type=f"wrong {n}"),
            lambda n: {"type": f"wrong {n}"},
            lambda n: f"wrong {n}",
        ],
        ids=["about three objects", "the same again", "mostly about none", "about no array", "texts"],
    )
    def test_four_times_as_many_errors_are_four_times_as_much_work(
        self, monkeypatch: pytest.MonkeyPatch, error: Callable[[int], Any], status: int
    ) -> None:
        def work(many: int) -> int:
            errors = [SeenError(found) if isinstance(found := error(n), dict) else found for n in range(many)]
            answer = {"message": "success", "errors": errors}
            monkeypatch.setattr(module, "parse", lambda _: answer)
            return counting(lambda: interpret(status, b"", three(), SeenText))[1]

        few, many = work(1000), work(4000)
        assert few > 1000
        # Of quadratic work it would be sixteen times as much.
        assert many < 6 * few

    @pytest.mark.parametrize("status", [201, 400, 403])
    def test_a_longer_text_is_no_more_work(self, status: int) -> None:
        def work(words: int) -> int:
            text = "ab 'cd' " * words
            answer = {"message": text, "errors": [named(1, type=text), {"type": text}]}
            return counting(lambda: answered(status, answer))[1]

        assert work(100_000) < 2 * work(1000)

    def test_a_reason_of_megabytes(self) -> None:
        batch = batch_of(*(profile_object(f"u{n}", note=f"value {n} " * 50) for n in range(3)))
        for entry in (named(1, type="ab " * 1_300_000), {"type": "ab " * 1_300_000}):
            interpretation = answered(201, {"message": "success", "errors": [entry]}, batch)
            assert max(map(len, reasons(interpretation))) <= LONGEST_READ + 50
        interpretation = answered(400, {"errors": ["ab " * 1_300_000] * 2}, batch_of(profile_object("a")))
        assert len(reasons(interpretation)[0]) <= 2 * LONGEST_READ

    def test_a_key_is_taken_out_before_a_reason_is_cut(self) -> None:
        for before in range(LONGEST_READ - len(KEY) - 2, LONGEST_READ + 2):
            interpretation = answered(201, {"errors": [named(0, type="x" * before + KEY + "y" * 50)]})
            assert KEY[:8] not in reasons(interpretation)[0]


class TestRefusedBatch:
    def test_all_bad_is_read_from_errors_not_from_the_message(self) -> None:
        interpretation = answered(
            400, {"message": ALL_BAD, "errors": [named(0), named(1, type="odd"), named(2)]}
        )
        assert outcomes(interpretation) == ["rejected"] * 3
        assert reasons(interpretation) == [EMAIL, "odd", EMAIL]

    @pytest.mark.parametrize(
        "errors",
        [[], None, [named(0)], [named(0), named(1)], [named(n) for n in range(3)] + [{"type": "odd"}], 17],
    )
    def test_anything_less_is_split(self, errors: Any) -> None:
        interpretation = answered(400, {"message": "Bad Request", "errors": errors})
        assert interpretation.action is Action.SPLIT
        assert not interpretation.too_many
        assert interpretation.outcomes == []

    @pytest.mark.parametrize(
        "message",
        ["Max Input Length Exceeded", "max input length exceeded.", "Error: MAX INPUT LENGTH EXCEEDED"],
    )
    def test_too_many_objects_is_told_apart(self, message: str) -> None:
        for key in ("message", "error"):
            interpretation = answered(400, {key: message})
            assert (interpretation.action, interpretation.too_many) == (Action.SPLIT, True)

    @pytest.mark.parametrize("status", [400, 413, 422])
    @pytest.mark.parametrize("body", [b"", b"<html>Too large</html>", b"[]", b'{"error":"syntax"}'])
    def test_any_other_refusal_is_split(self, status: int, body: bytes) -> None:
        assert answered(status, body).action is Action.SPLIT

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ({"message": ALL_BAD, "errors": [named(0)]}, EMAIL),
            ({"message": ALL_BAD, "errors": [{"type": "odd"}, "and a text"]}, "odd; and a text"),
            ({"message": ALL_BAD, "errors": 17}, "17"),
            ({"message": "Max Input Length Exceeded"}, "Max Input Length Exceeded"),
            ({"error": "Error while parsing request body."}, "Error while parsing request body."),
            ({}, "Braze answered 400"),
            (b"<html>", "Braze answered 400"),
        ],
    )
    def test_a_single_object_is_rejected(self, answer: Any, reason: str) -> None:
        interpretation = answered(400, answer, batch_of(profile_object("a")))
        assert outcomes(interpretation) == ["rejected"]
        assert reasons(interpretation) == [reason]

    def test_a_single_object_too_large_is_rejected(self) -> None:
        interpretation = answered(413, b"", batch_of(profile_object("a")))
        assert (outcomes(interpretation), reasons(interpretation)) == (["rejected"], ["Braze answered 413"])


class TestElsewise:
    def test_a_429_waits(self) -> None:
        assert answered(429, {"message": "Rate Limited"}).action is Action.WAIT

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 599])
    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"message":"Internal"}'])
    def test_trouble_is_tried_again(self, status: int, body: bytes) -> None:
        assert answered(status, body).action is Action.RETRY

    @pytest.mark.parametrize(
        ("status", "kind", "words"),
        [
            (401, BrazeAuthError, ["key", "REST endpoint", "cluster"]),
            (403, BrazePermissionError, ["users.track", "IP allowlist", "Access Denied"]),
            (404, BrazeRefusedError, ["REST endpoint"]),
            (405, BrazeRefusedError, ["405"]),
            (415, BrazeRefusedError, ["415"]),
            (300, BrazeRefusedError, ["redirect", "host"]),
            (301, BrazeRefusedError, ["redirect", "host"]),
            (307, BrazeRefusedError, ["redirect", "host"]),
        ],
    )
    def test_what_repeating_cannot_mend_stops_and_says_what_to_fix(
        self, status: int, kind: type[BrazeRefusedError], words: list[str]
    ) -> None:
        interpretation = answered(status, {"message": f"Access Denied {KEY}"})
        assert interpretation.action is Action.STOP
        assert type(interpretation.error) is kind
        assert interpretation.error.status == status
        assert not interpretation.error.retryable
        assert KEY not in str(interpretation.error)
        assert ("redirect" in str(interpretation.error)) is (status < 400)
        for word in words:
            assert word in str(interpretation.error)

    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (
                401,
                "Braze refuses the API key (401): check that the connection's key belongs to this workspace, "
                "and that its host is the REST endpoint of the same cluster.",
            ),
            (
                403,
                "Braze denies access (403): give the API key the permission for this endpoint "
                "(users.track to push, users.export.ids to look up) and check its IP allowlist.",
            ),
            (
                308,
                "The host answered with a redirect (308), which is refused because it would carry the key "
                "elsewhere: set the connection's host to the REST endpoint itself.",
            ),
            (404, "The host does not know this endpoint (404): check that it is a Braze REST endpoint."),
            (400, "Braze refuses the request (400)."),
            (415, "Braze refuses the request (415)."),
        ],
    )
    def test_the_words(self, status: int, text: str) -> None:
        assert str(refusal(status, "", redact)) == text
        said = "" if status in (401, 308) else ' Braze said: "why"'
        assert str(refusal(status, "why", redact)) == text + said


class TestSecrets:
    def test_an_echoed_key_is_in_no_reason(self) -> None:
        for answer, batch in [
            ({"errors": [named(0, type=f"bad {KEY}")]}, None),
            ({"errors": [{"type": f"bad {KEY}"}]}, None),
            ({"errors": f"bad {KEY}"}, None),
            ({"message": f"bad {KEY}"}, batch_of(profile_object("a"))),
        ]:
            status = 201 if "errors" in answer else 400
            assert KEY not in str(reasons(answered(status, answer, batch)))

    @pytest.mark.parametrize("before", range(270, 310))
    def test_a_key_is_not_left_over_by_cutting(self, before: int) -> None:
        message = "x" * before + " " + KEY + " and so on " * 20
        assert KEY[:8] not in redact(message_of({"message": message}))
        assert KEY[:8] not in str(refusal(403, message_of({"message": message}), redact))

    def test_an_unplaced_error_tells_no_value_of_any_object(self) -> None:
        batch = batch_of(profile_object("a", city="Old Town"), profile_object("b", email="ann@example.org"))
        interpretation = answered(
            201, {"errors": [{"type": "'ANN@example.org' of Old Town is wrong"}]}, batch
        )
        assert reasons(interpretation) == ["Braze named an error but no record: '…' of … is wrong"] * 2


# Functions, not methods: the mutation run calls each several times, for which hypothesis wants no new instance.


@pytest.mark.no_mutation
@settings(max_examples=400, deadline=None)
@given(status=st.integers(200, 599), body=st.binary(max_size=40))
def test_any_bytes_are_read(status: int, body: bytes) -> None:
    _check(status, body)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=8)
    | st.just("attributes"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["errors", "index", "input_array", "type", "message", "attributes_processed"]),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.no_mutation
@settings(max_examples=600, deadline=None)
@given(
    status=st.sampled_from([200, 201, 202, 400, 413]),
    answer=st.fixed_dictionaries({}, optional={"errors": JSON_VALUES, "message": JSON_VALUES}),
)
def test_any_json_is_read(status: int, answer: dict[str, Any]) -> None:
    _check(status, json.dumps(answer).encode())


def _check(status: int, body: bytes) -> None:
    batch = three()
    interpretation = interpret(status, body, batch, redact)
    if interpretation.action is Action.SETTLE:
        assert [item for item, _, _ in interpretation.outcomes] == batch.items
        assert {outcome for _, outcome, _ in interpretation.outcomes} <= {"accepted", "rejected", "unknown"}
        assert all(
            (reason == "") is (outcome == "accepted") for _, outcome, reason in interpretation.outcomes
        )
    assert (interpretation.error is not None) is (interpretation.action is Action.STOP)
    assert interpretation.action is Action.SPLIT or not interpretation.too_many


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b'"\xff"', b"[" * 100_000, b"1e999", b"\xef\xbb\xbf", b"\xef\xbb{}"]
)
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert parse(body) is None


def test_a_byte_order_mark_before_json_is_passed_over() -> None:
    assert parse(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    ("answer", "text"), [(None, ""), ([], ""), ({"message": 5}, "5"), ({"message": None}, "")]
)
def test_a_message_is_a_text(answer: Any, text: str) -> None:
    assert message_of(answer) == text
