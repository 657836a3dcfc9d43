from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.plugins.cards.cards import Card, PushTask, Summary, card_of, summaries
from airflow_provider_braze.plugins.rendering import wording
from tests.plugins.invented import progress, report


def make(**given: Any) -> PushTask:
    return PushTask(
        **{"task_id": "push", "map_index": 0, "state": "success", "try_number": 1, "name": "Push", **given}
    )


def card(*, has_store: bool = True, **given: Any) -> Card:
    return card_of(make(**given), has_store=has_store)


def words(shown: Card) -> list[str]:
    return [badge.word for badge in shown.badges]


class TestEnded:
    def test_shows_what_the_report_says(self) -> None:
        shown = card(
            report=report(
                accepted=90,
                invalid=10,
                reasons={"email: not a valid email": 3, "external_id: empty": 7},
                rate_limited=4,
                waited_seconds=75.2,
                paced_seconds=120.0,
                notes=["a note"],
                rejects_path="/reports/one/rejects.csv",
            )
        )
        assert (shown.title, shown.place) == ("RPI_Export_6001.txt", "Braze Append / Spring / 8828")
        assert words(shown) == ["complete, 10 % failed", "upsert"]
        assert dict(shown.facts) == {
            "Records": "100",
            "Pace": "10 records/s",
            "Duration": "10 s",
            "Requests": "12 (2 again)",
            "Waited as Braze ordered": "1 min 15 s (4 refusals)",
            "Waited for the connection's own limit": "2 min 0 s",
            "Data points, estimated": "4,321",
        }
        assert shown.reasons == [("external_id: empty", 7), ("email: not a valid email", 3)]
        assert shown.dashboard == "https://dashboard-01.braze.com"
        assert (shown.notes, shown.rejects_path) == (["a note"], "/reports/one/rejects.csv")
        assert shown.chart is not None

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"resumed_after": 0, "sent_again": 0}, []),
            ({"resumed_after": 3000, "sent_again": 0}, ["3,000 records were settled before."]),
            (
                {"resumed_after": 3000, "sent_again": 1200},
                ["3,000 records were settled before; 1,200 of the others were sent twice."],
            ),
            (
                {"resumed_after": 3000, "sent_again": 1200, "upper_bounds": ["sent_again"]},
                ["3,000 records were settled before; at most 1,200 of the others were sent twice."],
            ),
            ({"resumed_after": "many", "sent_again": None}, []),
        ],
    )
    def test_says_what_an_interrupted_push_went_on_from(self, given: dict[str, Any], said: list[str]) -> None:
        shown = card(report=report(accepted=5000, **given))
        assert shown.notes == [f"Was interrupted and went on: {sentence}" for sentence in said]

    def test_a_failed_task_with_its_report(self) -> None:
        shown = card(state="failed", report=report(status="partial", accepted=1, error="Braze answered 500."))
        assert words(shown) == ["partial", "task failed", "upsert"]
        assert (shown.error, shown.sentence) == ("Braze answered 500.", "")

    def test_a_task_that_failed_for_too_many_failed_records(self) -> None:
        shown = card(state="failed", report=report(accepted=1, invalid=9))
        assert words(shown) == ["complete, 90 % failed", "task failed", "upsert"]
        assert shown.sentence == wording.TOO_MANY_FAILED

    @pytest.mark.parametrize(
        ("most", "said"),
        [
            (None, "more than 1 % of at least 100 records"),
            (0.8, "max_rejected lets 80 % of the records fail."),
            (50, "max_rejected lets 50 records fail."),
        ],
    )
    def test_names_the_threshold(self, most: Any, said: str) -> None:
        passed = card(report=report(accepted=1, invalid=3, max_rejected=most))
        assert words(passed)[0] == "complete, 75 % failed"
        assert passed.badges[0].tone == "warning"
        assert said in passed.sentence
        assert passed.next_step == ""
        failed = card(
            state="failed", report=report(accepted=1, invalid=3, max_rejected=most, rejects_path="/r")
        )
        assert said in failed.sentence
        assert failed.next_step == wording.MEND_RECORDS

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"status": "partial", "accepted": 1, "error": "Braze answered 500."}, wording.GO_ON),
            ({"status": "failed", "not_sent": 1, "error": "Wrong key (401)."}, wording.MEND_SETUP),
        ],
    )
    def test_one_that_failed_names_the_next_step(self, given: dict[str, Any], said: str) -> None:
        assert card(state="failed", report=report(**given)).next_step == said

    def test_one_that_passed_before_thresholds_were_reported_names_none(self) -> None:
        assert card(report=report(accepted=1, invalid=3)).sentence == ""

    @pytest.mark.parametrize("odd", [True, "5", [], float("nan"), float("inf")])
    def test_an_edited_threshold_is_not_named(self, odd: Any) -> None:
        assert wording.threshold({"max_rejected": odd}) == ""

    def test_of_a_moment_has_no_pace(self) -> None:
        shown = card(report=report(accepted=28, seconds=0.1))
        assert dict(shown.facts)["Pace"] == "too short to tell"
        assert shown.chart is None

    def test_splits_the_data_points_by_attribute(self) -> None:
        shown = card(report=report(accepted=1, data_points_by_attribute={"email": 5, "first_name": 10}))
        assert [(share.name, share.count) for share in shown.data_points] == [
            ("first_name", 10),
            ("email", 5),
        ]
        assert card(report=report(data_points_by_attribute="x")).data_points == []

    @pytest.mark.parametrize(
        ("endpoint", "said"),
        [
            ("https://rest.iad-01.braze.com", "sandbox · https://rest.iad-01.braze.com · US-01"),
            ("http://127.0.0.1:8081", "sandbox · http://127.0.0.1:8081 · no cluster of Braze's list"),
            ("", "sandbox"),
        ],
    )
    def test_says_which_braze_it_is(self, endpoint: str, said: str) -> None:
        assert card(report=report(braze_conn_id="sandbox", endpoint=endpoint)).workspace == said

    def test_a_plan(self) -> None:
        shown = card(report=report(status="planned", planned=10, dry_run=True, planned_requests=3))
        assert dict(shown.facts)["Requests planned"] == "3"
        assert dict(shown.facts)["Data points it would cost, estimated"] == "4,321"

    def test_rows_are_named_by_their_task(self) -> None:
        assert card(report=report(export=None)).title == "Push"
        assert card(report=report(export=None), label="the first").title == "Push [the first]"

    def test_a_windows_path_is_named_by_its_file(self) -> None:
        assert card(report=report(export="\\\\share\\Braze Append\\x.txt")).title == "x.txt"

    @pytest.mark.parametrize(
        "edited",
        [
            {"status": "complete"},
            {"status": 5, "records": "x", "reasons": [1], "notes": {}, "samples": 3, "endpoint": 7},
            {
                "status": "x",
                "reasons": {"r": "many"},
                "notes": [1, None],
                "endpoint": "https://[",
                "export": [],
            },
            {"status": None, "seconds": float("nan"), "waited_seconds": float("inf"), "records": -5},
        ],
    )
    def test_an_edited_report_is_no_error(self, edited: dict[str, Any]) -> None:
        assert card(report=edited).dashboard is None


class TestRunning:
    def test_shows_progress(self) -> None:
        shown = card(state="running", progress=progress())
        assert (shown.share, words(shown), shown.waiting_until) == (0.4, ["running"], None)
        assert dict(shown.facts)["Pace"] == "250 records/s"
        assert shown.dashboard == "https://dashboard-01.braze.eu"
        assert shown.chart is not None

    def test_each_figure_says_what_it_is(self) -> None:
        facts = dict(card(state="running", progress=progress(in_flight=75)).facts)
        assert facts == {
            "Records read": "1,000",
            "Have their outcome": "755",
            "Failed": "5",
            "Pace": "250 records/s",
            "Requests": "10",
            "Running for": "3.0 s",
            "Time left, estimated": "less than a minute",
        }

    def test_a_plan_that_runs_is_a_plan(self) -> None:
        task = make(state="running", progress=progress(dry_run=True))
        assert words(card_of(task, has_store=True)) == ["running", "dry run"]
        plans, pushes = summaries([task, make(report=report(accepted=1))])
        assert (plans.planned, plans.running, pushes.running) == (True, 1, 0)

    def test_says_which_export_it_is_and_which_braze(self) -> None:
        shown = card(state="running", progress=progress(braze_conn_id="braze_eu"))
        assert shown.place == "Braze Append / Spring / 8828"
        assert shown.workspace == "braze_eu · https://rest.fra-01.braze.eu · EU-01"

    def test_says_that_braze_has_trouble(self) -> None:
        trouble = {"reason": "Braze answers 500", "next_try": 3, "most_tries": 6}
        shown = card(state="running", progress=progress(trouble=trouble))
        assert (words(shown), shown.trouble) == (["trouble at Braze"], "Braze answers 500; try 3 of 6.")
        shown = card(state="deferred", progress=progress(trouble=trouble))
        assert (words(shown), shown.trouble) == (["waiting for Braze"], "")

    def test_shows_the_notes_so_far(self) -> None:
        notes = ["About 7 more requests are needed, and 3 are left.", 5]
        assert card(state="running", progress=progress(notes=notes)).notes == notes[:1]
        assert card(state="running", progress=progress(notes="odd")).notes == []

    def test_has_no_pace_and_no_estimate_in_its_first_second(self) -> None:
        facts = dict(card(state="running", progress=progress(elapsed=0.1, records_per_second=2730.0)).facts)
        assert (facts["Pace"], "Time left, estimated" in facts) == (wording.TOO_SHORT, False)
        facts = dict(card(state="running", progress=progress(elapsed=3.0)).facts)
        assert (facts["Pace"], "Time left, estimated" in facts) == ("250 records/s", True)

    @pytest.mark.parametrize("odd", [5, [], {}, {"reason": 5}, {"reason": None, "next_try": 1}])
    def test_an_edited_trouble_is_none(self, odd: Any) -> None:
        assert card(state="running", progress=progress(trouble=odd)).trouble == ""

    def test_what_an_older_version_left_of_a_wait_did_not_fail(self) -> None:
        left = progress(
            share=0.8, not_sent=1000, failed=1005, records=1755, samples=[[0, 0], [2, 755], [3, 1755]]
        )
        shown = card(state="deferred", progress=left)
        assert dict(shown.facts)["Failed"] == "5"
        assert {part.outcome: part.records for part in shown.segments}["to_be_sent"] == 1000
        assert shown.share == pytest.approx(0.8 * 755 / 1755)
        assert shown.chart is None

    def test_says_that_it_waits_for_braze(self) -> None:
        shown = card(state="running", progress=progress(waiting_until="2026-11-21T12:01:30+00:00"))
        assert words(shown) == ["waiting for Braze"]
        assert shown.waiting_until is not None
        assert shown.waiting_until.minute == 2

    def test_that_waits_without_a_worker_shows_how_far_it_is(self) -> None:
        shown = card(state="deferred", progress=progress(waiting_until="2026-11-21T12:02:00+00:00"))
        assert (shown.share, words(shown)) == (0.4, ["waiting for Braze"])
        assert shown.waiting_until is not None
        assert shown.sentence == wording.STATE_SENTENCES["deferred"]

    def test_does_not_show_the_progress_of_an_earlier_try(self) -> None:
        shown = card(state="running", try_number=2, progress=progress())
        assert (shown.sentence, shown.segments) == (wording.STARTING, [])

    def test_says_that_airflow_has_no_store_before_3_3(self) -> None:
        assert card(state="running", has_store=False).sentence == wording.NO_STORE

    def test_a_killed_task_shows_how_far_it_had_come(self) -> None:
        shown = card(state="failed", progress=progress())
        assert shown.sentence == "Ended without a report. This is how far try 1 had come:"
        assert (shown.share, words(shown)) == (0.4, ["failed"])

    @pytest.mark.parametrize(("export", "whole"), [("/x/RPI_Export_1.txt", "file"), (None, "rows")])
    def test_it_says_of_what_the_share_is(self, export: str | None, whole: str) -> None:
        assert card(state="running", progress=progress(export=export)).whole == whole

    @pytest.mark.parametrize("share", [None, "x", 7, float("nan")])
    def test_an_edited_progress_is_no_error(self, share: Any) -> None:
        shown = card(state="running", progress=progress(share=share, waiting_until="soon", samples="x"))
        assert shown.share in (None, 1.0, 0.0)


@pytest.mark.parametrize(
    "state",
    [
        "scheduled",
        "queued",
        "deferred",
        "success",
        "failed",
        "up_for_retry",
        "skipped",
        "upstream_failed",
        "removed",
        None,
    ],
)
def test_every_state_without_a_report_has_a_sentence(state: str | None) -> None:
    assert card(state=state).sentence.endswith(".")

    summary = Summary.of(
        [
            make(report=report(accepted=100, invalid=5)),
            make(state="running", report=report(accepted=999), progress=progress()),
            make(state=None),
            make(state="deferred", progress=progress(records=10, accepted=0, invalid=0, failed=0)),
            make(report=report(status="planned", planned=7, dry_run=True)),
        ]
    )
    assert (summary.exports, summary.running, summary.records, summary.failed) == (4, 2, 1115, 10)
    assert summary.data_points == 4321
    assert {segment.outcome: segment.records for segment in summary.segments} == {
        "accepted": 850,
        "invalid": 10,
        "read_ahead": 255,
        "to_come": 888,
    }


class TestPlansAndPushes:
    @staticmethod
    def both(*pushes: PushTask) -> list[Summary]:
        plans = [
            make(task_id="plan", map_index=n, report=report(**PLANNED, export=f"/x/{n}.txt"))
            for n in range(3)
        ]
        return summaries([*plans, *pushes])

    def test_are_added_up_apart(self) -> None:
        pushes = [make(map_index=n, report=report(accepted=9, export=f"/x/{n}.txt")) for n in range(3)]
        plans, sent = self.both(*pushes)
        assert (plans.planned, plans.exports, plans.records, plans.data_points) == (True, 3, 30, 3 * 4321)
        assert (sent.planned, sent.exports, sent.records, sent.data_points) == (False, 3, 27, 3 * 4321)

    def test_before_anything_is_pushed(self) -> None:
        (plans,) = self.both(make(state=None))
        assert (plans.planned, plans.exports, plans.failed) == (True, 3, 3)

    def test_a_dry_run_says_what_it_would_cost(self) -> None:
        (plans,) = self.both()
        assert (plans.exports, plans.data_points) == (3, 3 * 4321)

    def test_tries_of_one_export_by_several_tasks_count_once(self) -> None:
        first, other = (make(task_id=name, report=report(accepted=5, started_at=at)) for name, at in TRIES)
        (both,) = summaries([first, other])
        assert (both.exports, both.records) == (1, 5)
        elsewhere = make(task_id="b", report=report(accepted=5, braze_conn_id="another"))
        (both,) = summaries([first, elsewhere])
        assert (both.exports, both.records) == (2, 10)


PLANNED = {"status": "planned", "planned": 9, "invalid": 1, "dry_run": True}
TRIES = (("a", "2026-11-21T10:00:00+00:00"), ("b", "2026-11-21T10:05:00+00:00"))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.01, "0.1 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (75, "1 min 15 s"),
        (3725, "1 h 2 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (0.0001, "< 1 %"), (0.5, "50 %"), (0.9999, "> 99 %"), (1, "100 %")]
)
def test_percent(share: float, said: str) -> None:
    assert wording.percent(share) == said


@pytest.mark.parametrize(
    ("pace", "said"),
    [(0, "0 records/s"), (0.52, "0.5 records/s"), (9.96, "10 records/s"), (25321.4, "25,321 records/s")],
)
def test_pace(pace: float, said: str) -> None:
    assert wording.pace(pace) == said


def test_pace_of_a_push_that_stopped_counts_what_it_came_to() -> None:
    shown = card(report=report(status="failed", accepted=100, not_sent=900, seconds=10.0))
    assert dict(shown.facts)["Pace"] == "10 records/s"
