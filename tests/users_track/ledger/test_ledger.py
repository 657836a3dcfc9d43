"""The ledger: one outcome for every record, counts that never fail, and no personal value in a reason."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from airflow_provider_braze.rejects.writer import RejectsInReport
from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, ProfileObject
from airflow_provider_braze.users_track.ledger import reasons
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES
from airflow_provider_braze.users_track.ledger.reasons import (
    LONGEST,
    LONGEST_READ,
    explained,
    public_words,
    shortened,
    without_values,
)
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.records import RecordReference
from airflow_provider_braze.users_track.rules import data_points
from airflow_provider_braze.users_track.rules.data_points import points
from tests.users_track.pushing import Written, check_sum, event, profile_object, purchase


@pytest.fixture
def written() -> Written:
    return Written()


def ahead(ledger: Ledger, name: str = "a") -> ProfileObject:
    """Give an object that its segment has billed ahead, as those of plain records of an export are."""
    segment = ledger.begin()
    item = profile_object(name, 2, city="x", rpi_offers={"add": ["x", "y"]})
    assert item.encode() is None
    item.names, item.more, item.billed_ahead = (), None, True
    item.references = [replace(reference, segment=segment) for reference in item.references]
    segment.data_points.add_counted({"city": 1, "rpi_offers": 2})
    return item


@pytest.fixture
def ledger(written: Written) -> Ledger:
    return Ledger(written)


def merged(count: int, **content: Any) -> ProfileObject:
    item = profile_object("a", 2, **content)
    item.references = [RecordReference.of(2 + n, ["a"]) for n in range(count)]
    return item


class TestOutcomes:
    def test_of_an_accepted_object_one_record_is_accepted_and_the_others_merged(
        self, ledger: Ledger, written: Written
    ) -> None:
        ledger.begin(4)
        ledger.settle(merged(4), "accepted")
        assert ledger.outcomes == {"accepted": 1, "merged": 3}
        assert ledger.total.objects == 1
        check_sum(ledger, written)

    @pytest.mark.parametrize("outcome", ["rejected", "invalid", "unknown", "not_sent", "not_found"])
    def test_otherwise_they_share_its_outcome_and_each_is_written_down(
        self, ledger: Ledger, written: Written, outcome: str
    ) -> None:
        ledger.begin(4)
        ledger.settle(merged(4), outcome, "because")
        ledger.flush()
        assert {k: v for k, v in ledger.outcomes.items() if v} == {outcome: 4}
        assert written.rows == [(2 + n, outcome, "because", "") for n in range(4)]
        assert ledger.reasons == {"because": 4}
        assert ledger.total.objects == 0
        assert not ledger.data_points.by_attribute()
        check_sum(ledger, written)

    @pytest.mark.parametrize("outcome", ["planned", "unchanged"])
    def test_what_is_no_failure_is_not_written_down(
        self, ledger: Ledger, written: Written, outcome: str
    ) -> None:
        ledger.begin(3)
        ledger.settle(merged(3), outcome)
        assert ledger.outcomes[outcome] == 3
        assert not written.rows
        check_sum(ledger, written)

    @pytest.mark.parametrize("first", OUTCOMES)
    @pytest.mark.parametrize("second", ["accepted", "unknown"])
    def test_nothing_is_settled_twice(self, ledger: Ledger, first: str, second: str) -> None:
        ledger.begin(2)
        item = merged(2)
        ledger.settle(item, first, "because")
        before = dict(ledger.outcomes)
        ledger.settle(item, second, "again")
        ledger.leave([item], lost=True, reason="again")
        assert {k: v for k, v in ledger.outcomes.items() if v} == {k: v for k, v in before.items() if v}
        check_sum(ledger)

    def test_a_record_that_never_became_an_object(self, ledger: Ledger, written: Written) -> None:
        ledger.refuse(RecordReference.of(7, ["x"], ledger.begin()), "Country", "no country")
        ledger.flush()
        assert ledger.records == 1
        assert written.rows == [(7, "invalid", "no country", "Country")]
        assert ledger.reasons == {"Country: no country": 1}
        check_sum(ledger, written)

    @pytest.mark.parametrize(("lost", "outcome"), [(True, "unknown"), (False, "not_sent")])
    def test_what_gets_no_answer(self, ledger: Ledger, written: Written, lost: bool, outcome: str) -> None:
        ledger.begin(2)
        ledger.leave([profile_object("a", 2), profile_object("b", 3)], lost=lost, reason="stopped")
        ledger.flush()
        assert ledger.outcomes[outcome] == ledger.failed == 2
        check_sum(ledger, written)

    def test_failed_is_what_the_words_say(self, ledger: Ledger) -> None:
        for n, outcome in enumerate(OUTCOMES):
            ledger.begin(n)
            ledger.settle(merged(n), outcome, "because") if n else None
        expected = {outcome: n for n, outcome in enumerate(OUTCOMES)}
        assert ledger.failed == sum(expected[o] for o in ("rejected", "invalid", "unknown", "not_sent"))
        check_sum(ledger)


def test_an_account_starts_at_nothing(ledger: Ledger) -> None:
    counts = (
        ledger.records,
        ledger.requests,
        ledger.retries,
        ledger.total.objects,
        ledger.bytes,
        ledger.failed,
    )
    assert counts == (0, 0, 0, 0, 0, 0)


class TestTrouble:
    def test_a_sink_that_fails_never_breaks_the_sum(self, ledger: Ledger) -> None:
        class Broken(Written):
            calls = 0

            def write(self, *record: Any) -> None:
                self.calls += 1
                if len(self.rows) == 2:
                    raise OSError(28, "No space left on device")
                super().write(*record)

        ledger.sink = broken = Broken()
        ledger.begin(3)
        ledger.settle(merged(3), "rejected", "because")
        ledger.refuse(RecordReference.of(9, [], ledger.begin()), "", "too wide")
        ledger.begin()
        ledger.leave([profile_object("b", 10)], lost=False, reason="stopped")
        ledger.flush()
        assert isinstance(ledger.trouble, OSError)
        assert len(broken.rows) == 2
        assert broken.calls == 3, "what is broken was written to again"
        assert ledger.failed == ledger.records == 5
        check_sum(ledger)

    def test_flush_finds_trouble_and_needs_no_flush_of_the_sink(self, ledger: Ledger) -> None:
        ledger.flush()
        assert ledger.trouble is None

        class Broken(Written):
            def flush(self) -> None:
                raise OSError("full")

        ledger.sink = Broken()
        ledger.flush()
        assert isinstance(ledger.trouble, OSError)

    def test_records_torn_away_by_an_interruption_are_counted_and_noted(self, ledger: Ledger) -> None:
        ledger.begin(5)
        ledger.settle(merged(2), "accepted")
        ledger.settle_rest("unknown")
        assert ledger.outcomes["unknown"] == 3
        assert sum(ledger.outcomes.values()) == ledger.records
        assert len(ledger.notes) == 1
        ledger.settle_rest("unknown")
        assert ledger.outcomes["unknown"] == 3
        assert len(ledger.notes) == 1
        ledger.begin()
        ledger.settle_rest("unknown")
        assert ledger.outcomes["unknown"] == 4

    def test_a_sink_that_forgets(self) -> None:
        ledger = Ledger(NullSink())
        ledger.refuse(RecordReference.of(1, [], ledger.begin()), "", "because")
        ledger.flush()
        assert ledger.trouble is None


class TestReasons:
    def test_there_are_never_more_than_fifty_and_none_is_lost(self, ledger: Ledger, written: Written) -> None:
        for n in range(200):
            ledger.refuse(RecordReference.of(n, [], ledger.begin()), "", f"reason {n}")
        ledger.refuse(RecordReference.of(500, [], ledger.begin()), "", "reason 3")
        ledger.flush()
        assert len(ledger.reasons) == 51
        assert ledger.reasons["other reasons"] == 150
        assert ledger.reasons["reason 3"] == 2
        assert len({reason for _, _, reason, _ in written.rows}) == 200
        check_sum(ledger, written)

    def test_notes_are_kept_once_and_not_without_end(self, ledger: Ledger) -> None:
        for n in range(200):
            ledger.note(f"note {n % 70}")
        assert len(ledger.notes) == len(set(ledger.notes)) == 50

    def test_long_ones_are_cut(self, ledger: Ledger, written: Written) -> None:
        ledger.begin(1)
        ledger.settle(profile_object("a"), "rejected", "word " * 1000)
        ledger.flush()
        assert all(len(reason) <= LONGEST + 2 for reason in ledger.reasons)
        assert len(written.rows[0][2]) <= LONGEST + 2

    def test_the_report_holds_no_value_where_the_rejects_file_may(
        self, ledger: Ledger, written: Written
    ) -> None:
        ledger.begin(1)
        ledger.settle(profile_object("ann", email="ann@example.org"), "rejected", "'ann@example.org' is odd")
        ledger.flush()
        assert ledger.reasons == {"'…' is odd": 1}
        assert written.rows[0][2] == "'ann@example.org' is odd"

    def test_failed_rows_in_the_report_hold_none_either(self) -> None:
        sink = RejectsInReport()
        ledger = Ledger(sink)
        ledger.begin()
        ledger.settle(profile_object("ann", email="ann@example.org"), "rejected", "'ann@example.org' is odd")
        ledger.flush()
        assert sink.rows == [{"index": 2, "outcome": "rejected", "reason": "'…' is odd"}]

    def test_a_value_is_taken_out_before_the_reason_is_cut(self, ledger: Ledger) -> None:
        ledger.begin(1)
        value = "Some Long Street " * 40
        ledger.settle(profile_object("a", street=value), "rejected", f"'{value}' is odd")
        assert "Street" not in str(ledger.reasons)

    @pytest.mark.parametrize(
        ("content", "reason", "public"),
        [
            ({"email": "ann@example.org"}, "<ann@example.org> is odd", "<…> is odd"),
            ({"email": "Ann@Example.org"}, "ann@example.org is odd", "… is odd"),
            ({"a": {"b": ["deep value"]}}, "deep value", "…"),
            ({"a": {"add": ["tag one", "tag"]}}, "tag one and tag", "… and …"),
            ({"phone": 4915112345678}, "4915112345678 is odd", "… is odd"),
            ({"weight": 81.25}, "'81.25' is odd", "'…' is odd"),
            ({"country": "DE"}, "'DE' is odd, DEN is not", "'…' is odd, DEN is not"),
            ({"country": "is"}, "this is odd", "this is odd"),
            ({"name": "ann"}, "cannot be ann", "cannot be …"),
            ({"name": "  ann  "}, "'ann'", "'…'"),
            ({"name": "a.c"}, "abc a.c", "abc …"),
            ({"name": " ", "x": "", "y": None, "z": True}, "True is not '' or ' '", "True is not '' or ' '"),
            ({"a": "ann", "b": "ann lee"}, "ann lee", "…"),
            (["ann", {"x": "lee"}], "ann lee", "… …"),
            (
                {"push_subscribe": "subscribed", "email_subscribe": "x"},
                "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
                "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
            ),
            ({"a": "email"}, explained("EMAIL_BAD_FORMAT"), explained("EMAIL_BAD_FORMAT")),
            (
                {"a": "email"},
                f"{explained('EMAIL_BAD_FORMAT')}; 'email' is odd",
                "EMAIL_BAD_FORMAT: The value provided for the '…' field is not a valid ….; '…' is odd",
            ),
        ],
    )
    def test_values_are_taken_out_of_reasons(self, content: Any, reason: str, public: str) -> None:
        assert without_values(reason, content) == public

    @pytest.mark.parametrize(
        ("content", "reason", "public"),
        [
            ({"name": "Ann O'Neil & Co"}, "'Ann O&#39;Neil &amp; Co' is odd", "'…' is odd"),
            ({"name": "Ann O'Neil & Co"}, "Ann O&#39;Neil &amp; Co is odd", "… …; … is odd"),
            ({"email": "ann+1@example.org"}, "ann%2B1%40example.org is invalid", "… is invalid"),
            ({"street": "Some Long Street 17"}, "'Some Long Str… is wrong", "'…'"),
            ({"street": "Some Long Street 17"}, "'Some Long Str' is wrong", "'…' is wrong"),
            ({"phone": "+49 151 123"}, "phone 0049151123 is not valid", "phone … is not valid"),
            ({"name": "Zoë"}, r"'Zo\u00eb' and Zo\xeb are odd", "'…' and … are odd"),
            ({"name": "ann"}, "YW5u: odd", "…: odd"),
            ({"loyalty_tier": 1}, "'loyalty_tier' must be a string", "'loyalty_tier' must be a string"),
            ({"Loyalty_Tier": 1}, "loyalty_tier must be a string", "loyalty_tier must be a string"),
            ({"scores": {"ann": 5}}, "ann is odd", "… is odd"),
            ({}, "odd ***", "odd ***"),
            ({}, "Braze answered 413", "Braze answered 413"),
            ({}, "access denied", "access denied"),
            ({}, "ann@example.org: Access Denied", "…: Access Denied"),
            ({}, "EMAIL_BAD_FORMAT: ann@example.org", "EMAIL_BAD_FORMAT: …"),
            ({"name": "Max"}, "M&#97;x Max &quot;Max&quot; is odd", "… …; is odd"),
            (None, "", ""),
        ],
    )
    def test_of_brazes_words_only_known_ones_are_shown(self, content: Any, reason: str, public: str) -> None:
        assert public_words(reason, content) == public

    def test_every_sentence_of_brazes_is_shown_as_it_is(self) -> None:
        for sentence in (*reasons._SENTENCES, *map(explained, reasons._MEANINGS)):
            assert public_words(sentence, {"a": sentence}) == sentence

    def test_a_text_of_megabytes_is_looked_at_in_part(self) -> None:
        assert len(public_words("is odd " * 500_000)) <= LONGEST_READ

    def test_what_is_cut_leaves_no_half_word(self) -> None:
        assert shortened("short") == "short"
        assert shortened("x" * LONGEST) == "x" * LONGEST
        text = "a" * (LONGEST - 5) + " secret-word-here"
        assert shortened(text) == "a" * (LONGEST - 5) + " …"


class TestDataPoints:
    @pytest.mark.parametrize(
        ("name", "value", "count"),
        [
            ("city", "x", 1),
            ("n", 0, 1),
            ("n", None, 1),
            ("first_name", "x", 1),
            ("current_location", {"longitude": 1, "latitude": 2}, 1),
            ("tags", ["a", "b", "c"], 1),
            ("tags", {"add": ["a", "b", "c"]}, 3),
            ("tags", {"add": ["a"], "remove": ["b", "c"]}, 3),
            ("tags", {"add": "a"}, 1),
            ("rows", {"$add": [{}, {}], "$update": [{}]}, 3),
            ("n", {"inc": 5}, 1),
            ("at", {"$time": "2026-01-01"}, 1),
            ("nested", {"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "g": [1, 2]}, 5),
            ("nested", {}, 0),
        ],
    )
    def test_points_of_one_attribute(self, name: str, value: Any, count: int) -> None:
        assert points(name, value) == count

    def test_of_an_object(self, ledger: Ledger) -> None:
        ledger.begin(1)
        item = profile_object(
            "a",
            email="a@example.org",
            email_subscribe="subscribed",
            push_subscribe="subscribed",
            subscription_groups=[],
            user_alias={"alias_name": "x", "alias_label": "y"},
            _update_existing_only=True,
            _merge_objects=True,
            name="a custom attribute like any other",
            nested={"a": 1, "b": 2},
        )
        ledger.settle(item, "accepted")
        assert ledger.data_points.by_attribute() == {"email": 1, "name": 1, "nested": 2}

    def test_the_identifier_is_free(self, ledger: Ledger) -> None:
        ledger.begin(1)
        content = {"email": "a@example.org", "city": "x"}
        ledger.settle(
            ProfileObject("attributes", ("email", "a@example.org"), content, [RecordReference.of(2, [])]),
            "accepted",
        )
        assert ledger.data_points.by_attribute() == {"city": 1}

    @pytest.mark.parametrize(
        ("quantity", "count"), [(3, 3), (1, 1), ("3", 1), (None, 1), (-2, 1), (0, 1), ([], 1), (2.5, 1)]
    )
    def test_of_purchases_whatever_their_quantity_is(self, ledger: Ledger, quantity: Any, count: int) -> None:
        ledger.begin(2)
        bought = purchase("a")
        bought.content["quantity"] = quantity
        ledger.settle(bought, "accepted")
        ledger.settle(purchase("b"), "accepted")
        assert ledger.data_points.by_attribute() == {"purchases": count + 1}
        check_sum(ledger)

    def test_of_events(self, ledger: Ledger) -> None:
        ledger.begin(1)
        ledger.settle(event("a"), "accepted")
        assert ledger.data_points.by_attribute() == {"events": 1}


class TestBilledAhead:
    def test_once_accepted_it_counts_for_good(self, ledger: Ledger) -> None:
        item = ahead(ledger)
        ledger.settle(item, "accepted")
        ledger.leave([item], lost=True, reason="cut")
        ledger.settle(item, "rejected", "late")
        assert ledger.outcomes == {"accepted": 1}
        assert ledger.total.objects == 1
        assert ledger.data_points.by_attribute() == {"rpi_offers": 2, "city": 1}

    @pytest.mark.parametrize("outcome", ["rejected", "unknown", "not_sent", "not_found"])
    def test_otherwise_it_is_taken_back(self, ledger: Ledger, outcome: str) -> None:
        ledger.settle(ahead(ledger, "a"), outcome, "no")
        ledger.leave([ahead(ledger, "b")], lost=True, reason="cut")
        ledger.settle(ahead(ledger, "c"), "accepted")
        assert ledger.data_points.by_attribute() == {"rpi_offers": 2, "city": 1}

    def test_a_plan_counts_it(self, ledger: Ledger) -> None:
        item = ahead(ledger)
        ledger.count_data_points(item)
        ledger.settle(item, "planned")
        assert ledger.data_points.by_attribute() == {"rpi_offers": 2, "city": 1}

    def test_merged_it_is_counted_as_what_it_became(self, ledger: Ledger) -> None:
        older, newer = ahead(ledger), ahead(ledger)
        window = MergeWindow()
        for item in (older, newer):
            assert window.add(item) is None
        window.finish()
        batch = window.take()
        assert batch is not None
        assert batch.items == [older]
        ledger.settle(older, "accepted")
        assert ledger.outcomes == {"accepted": 1, "merged": 1}
        assert ledger.data_points.by_attribute() == {"rpi_offers": 2, "city": 1}


def test_any_order_of_outcomes_adds_up() -> None:
    chance = random.Random(2)
    for _ in range(50):
        written = Written()
        ledger = Ledger(written)
        line = 0
        for _ in range(chance.randrange(40)):
            count = chance.randrange(1, 5)
            item = ProfileObject(
                "attributes",
                ("external_id", "a"),
                {},
                [RecordReference.of(line + n, []) for n in range(count)],
            )
            line += count
            segment = ledger.begin(count)
            item.references = [replace(reference, segment=segment) for reference in item.references]
            ledger.settle(item, chance.choice(OUTCOMES), chance.choice(["x", "y"]))
        ledger.flush()
        check_sum(ledger, written)


def test_shapes_of_many_segments_are_bounded_as_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_points, "_MOST_SHAPES", 10)
    whole = data_points.DataPoints()
    for n in range(100):
        part = data_points.DataPoints()
        part.add("external_id", ("external_id", f"column{n}"), {})
        whole.add_all(part)
        assert len(whole._shapes) <= 10
    assert whole.total() == 100
