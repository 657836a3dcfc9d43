"""The push against real servers: every record has one outcome, the true one, whatever goes wrong."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazeError,
    BrazePermissionError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeUnreachableError,
    describe,
)
from airflow_provider_braze.users_track.batching.merge_window import LOOK_AHEAD_RECORDS, ProfileObject
from airflow_provider_braze.users_track.delivery import lookup, sender
from airflow_provider_braze.users_track.delivery.plan import plan
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger import sink as sinks
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from tests.sandbox_process import SandboxProcess
from tests.users_track.answering import SUCCESS, Answering, http
from tests.users_track.pushing import (
    Pushed,
    Written,
    check_sum,
    counted,
    event,
    people,
    profile_object,
    purchase,
    run,
    run_within,
    start,
    workspace,
)
from tests.waiting import once, until

BAD_EMAIL = "The value provided for the 'email' field is not a valid email."


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for hundredths of seconds, so that six attempts take no half minute."""
    monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.005)
    monkeypatch.setattr(lookup, "_FIRST_BACKOFF", 0.005)


@pytest.fixture(scope="module")
def slow_process() -> Iterator[SandboxProcess]:
    """A sandbox that answers after 30 ms, so that requests overlap."""
    with SandboxProcess("--latency-ms", "30") as process:
        yield process


@pytest.fixture
def slow(slow_process: SandboxProcess) -> SandboxProcess:
    slow_process.reset()
    return slow_process


def check_profiles(sandbox: SandboxProcess, pushed: Pushed, items: int) -> None:
    """The sandbox holds exactly the users of accepted records, and of unknown ones some."""
    failed = {line: outcome for line, outcome, _, _ in pushed.written.rows}
    held = {int(user[1:]) + 2 for user in sandbox.profiles()}
    for line in range(2, 2 + pushed.ledger.records):
        if line not in failed:
            assert line in held, f"line {line} is accepted and not in the sandbox"
        elif failed[line] != "unknown":
            assert line not in held, f"line {line} is {failed[line]} and in the sandbox"
    assert pushed.ledger.records <= items


class TestWhole:
    def test_a_thousand_users(self, sandbox: SandboxProcess) -> None:
        pushed = run(people(1000), workspace(sandbox.url))
        assert pushed.error is None
        assert pushed.counts == {"accepted": 1000}
        stats = sandbox.stats()
        assert pushed.ledger.requests == stats["requests"] == 14
        assert pushed.ledger.retries == 0
        assert pushed.ledger.total.objects == stats["objects"] == 1000
        assert {user: profile["custom_attributes"] for user, profile in sandbox.profiles().items()} == {
            f"u{n:06}": {"city": f"c{n}"} for n in range(1000)
        }

    def test_nothing_to_send_is_no_request(self, sandbox: SandboxProcess) -> None:
        pushed = run([], workspace(sandbox.url))
        assert (pushed.ledger.records, pushed.ledger.requests, pushed.error) == (0, 0, None)
        assert sandbox.stats()["requests"] == 0

    def test_records_that_were_settled_before_are_passed_over(self, sandbox: SandboxProcess) -> None:
        pushed = run([None, profile_object("a"), None], workspace(sandbox.url))
        assert pushed.counts == {"accepted": 1}

    @pytest.mark.parametrize(("between", "merged"), [(LOOK_AHEAD_RECORDS - 1, 1), (LOOK_AHEAD_RECORDS, 0)])
    def test_invalid_records_count_for_the_look_ahead(
        self, sandbox: SandboxProcess, between: int, merged: int
    ) -> None:
        items = [profile_object("a", 2, x=1), *[None] * between, profile_object("a", 9000, x=2)]
        assert run(items, workspace(sandbox.url))["merged"] == merged

    @pytest.mark.parametrize("most", [3, 96])
    def test_requests_overlap_and_never_exceed_what_is_allowed(
        self, sandbox: SandboxProcess, most: int
    ) -> None:
        sandbox.fault(kind="late", seconds=2, count=6)
        run(people(6), workspace(sandbox.url, objects_per_request=1, max_in_flight=most))
        assert sandbox.stats()["max_in_flight"] == min(most, 6)

    def test_requests_go_out_while_reading_goes_on(self) -> None:
        waiting = []

        def source() -> Iterator[ProfileObject]:
            for n in range(200 * 75):
                if n % 75 == 0:
                    # Reading takes its time, and never waits: only what the loop is given happens meanwhile.
                    time.sleep(0.003)
                    waiting.append(ledger.requests - server.requests)
                yield event(f"u{n}")

        with Answering(lambda _: SUCCESS) as server:
            push, ledger, written = start(source(), workspace(server.url, requests_per_second=10_000))
            run_within(push)
        check_sum(ledger, written)
        assert ledger.requests == len(waiting) == 200
        assert max(waiting) < 30

    def test_partner_and_smaller_requests(self, sandbox: SandboxProcess) -> None:
        run(people(25), workspace(sandbox.url, objects_per_request=10, partner="acme"))
        stats = sandbox.stats()
        assert (stats["requests"], stats["max_objects_in_a_request"]) == (3, 10)
        assert {request["body"]["partner"] for request in sandbox.requests()} == {"acme"}

    def test_progress_is_called_and_its_failure_does_not_end_the_push(self, slow: SandboxProcess) -> None:
        calls = []

        def progress() -> None:
            calls.append(ledger.requests)
            if len(calls) == 2:
                raise RuntimeError("the UI is gone")

        push, ledger, written = start(people(2000), workspace(slow.url, max_in_flight=2))
        push.run(progress, every=0.02)
        check_sum(ledger, written)
        assert ledger.outcomes["accepted"] == 2000
        assert len(calls) > 2
        assert ledger.notes == ["The push was not watched for a moment: RuntimeError."]

    def test_bytes_are_those_of_the_bodies(self, sandbox: SandboxProcess) -> None:
        pushed = run(people(10), workspace(sandbox.url))
        assert pushed.ledger.bytes == sandbox.requests()[0]["bytes"]


class TestOneUser:
    def test_duplicates_near_and_far_reach_braze_in_file_order_and_never_overlap(
        self, slow: SandboxProcess
    ) -> None:
        chance, items, last = random.Random(1), [], {}
        for n in range(14_000):
            # Most users once, some again at once, some again after thousands of records.
            user = f"u{n:06}" if not items or chance.random() < 0.7 else f"u{chance.randrange(n):06}"
            items.append(profile_object(user, n + 2, city=f"c{n}", **{f"at_{n % 3}": n}))
            last.setdefault(user, {}).update({"city": f"c{n}", f"at_{n % 3}": n})
        pushed = run(items, workspace(slow.url))
        assert pushed.error is None
        assert pushed["accepted"] + pushed["merged"] == 14_000
        stats = slow.stats()
        assert stats["overlapping_users"] == stats["users_repeated_in_a_request"] == 0
        assert pushed["accepted"] == stats["objects"] > len(last)
        assert {user: profile["custom_attributes"] for user, profile in slow.profiles().items()} == last

    def test_one_user_twenty_thousand_times(self, slow: SandboxProcess) -> None:
        items = (profile_object("one", n + 2, n=n, tags={"add": [f"t{n % 5}"]}) for n in range(20_000))
        pushed = run(items, workspace(slow.url))
        assert pushed.counts == {"accepted": 4, "merged": 19_996}
        assert slow.stats()["overlapping_users"] == 0
        attributes = slow.profile("one")["custom_attributes"]  # type: ignore[index]
        assert attributes["n"] == 19_999
        assert sorted(attributes["tags"]) == ["t0", "t1", "t2", "t3", "t4"]

    def test_one_users_many_events_arrive_in_order_though_never_in_two_requests(
        self, slow: SandboxProcess
    ) -> None:
        items = [event("one", n, f"e{n:03}") for n in range(400)] + [
            event(f"u{n}", 400 + n) for n in range(400)
        ]
        pushed = run([profile_object("one", 1000, city="c"), *items], workspace(slow.url))
        assert pushed.counts == {"accepted": 801}
        assert slow.stats()["overlapping_users"] == 0
        got = slow.profile("one")["events_received"]  # type: ignore[index]
        assert [each["name"] for each in got] == [f"e{n:03}" for n in range(400)]

    def test_the_dry_run_plans_exactly_what_the_push_sends(self, slow: SandboxProcess) -> None:
        def items() -> list[ProfileObject]:
            chance = random.Random(5)
            return [profile_object(f"u{chance.randrange(9000):06}", n, city=f"c{n}") for n in range(12_000)]

        pushed = run(items(), workspace(slow.url, max_in_flight=3))
        ledger = type(pushed.ledger)(Written())
        planned = plan(counted(items(), ledger), workspace(slow.url), ledger, users=UserCount())
        assert planned.users == len({item.identity for item in items()})
        assert ledger.data_points.by_attribute() == pushed.ledger.data_points.by_attribute()
        assert abs(planned.planned_requests - pushed.ledger.requests) <= 1
        assert ledger.outcomes["planned"] == 12_000


class TestInterpretations:
    def test_a_bad_record_never_takes_its_batch_with_it(self, sandbox: SandboxProcess) -> None:
        items = people(200)
        items[7] = profile_object("u000007", 9, email="nobody")
        items[120] = profile_object("u000120", 122, email_subscribe="yes")
        pushed = run(items, workspace(sandbox.url))
        assert pushed.counts == {"accepted": 198, "rejected": 2}
        assert pushed.written.lines("rejected") == [9, 122]
        assert pushed.ledger.reasons[BAD_EMAIL] == 1
        assert (pushed.ledger.requests, pushed.ledger.retries) == (3, 0)
        check_profiles(sandbox, pushed, 200)

    def test_a_request_of_bad_records_only(self, sandbox: SandboxProcess) -> None:
        pushed = run([profile_object(f"u{n}", n, email="x") for n in range(60)], workspace(sandbox.url))
        assert pushed.counts == {"rejected": 60}
        assert pushed.ledger.requests == 1
        assert sandbox.stats()["by_status"] == {"400": 1}
        assert pushed.error is None

    @pytest.mark.parametrize("status", [400, 413])
    def test_any_other_refusal_is_halved_until_the_bad_record_is_alone(self, status: int) -> None:
        def answer(body: bytes) -> bytes:
            return http(status, {"message": "Bad Request"}) if b"poison" in body else SUCCESS

        items = people(150)
        items[40] = profile_object("u000040", 42, city="poison")
        with Answering(answer) as server:
            pushed = run(items, workspace(server.url))
            assert pushed.counts == {"accepted": 149, "rejected": 1}
            assert pushed.written.lines("rejected") == [42]
            # The halves are requests, not retries: 75 to 1 takes seven times two of them at most.
            assert pushed.ledger.requests == server.requests <= 2 + 14
            assert pushed.ledger.retries == 0

    def test_a_contract_of_fewer_objects_is_learnt(self) -> None:
        with SandboxProcess("--objects-per-request", "30", "--latency-ms", "5") as sandbox:
            pushed = run(people(3000), workspace(sandbox.url, max_in_flight=4))
            assert pushed.counts == {"accepted": 3000}
            assert len(sandbox.profiles()) == 3000
            refused = sandbox.stats()["by_status"]["400"]
            assert refused <= 4 * 3
            assert pushed.ledger.requests == sandbox.stats()["requests"] <= 3000 / 18 + 20 + refused
            assert any("objects_per_request" in note for note in pushed.ledger.notes)
            assert pushed.ledger.retries == 0

    def test_even_one_object_at_a_time(self) -> None:
        with SandboxProcess("--objects-per-request", "1") as sandbox:
            pushed = run(people(20), workspace(sandbox.url))
            assert pushed.counts == {"accepted": 20}

    def test_what_can_never_be_sent_is_invalid(self, sandbox: SandboxProcess) -> None:
        items = [
            profile_object("a", 2, x=object()),
            profile_object("b", 3, x="y" * 4_000_000),
            profile_object("c", 4, x=float("nan")),
        ]
        pushed = run([*items, *people(3)], workspace(sandbox.url))
        assert pushed.counts == {"invalid": 3, "accepted": 3}


SETTLED = [
    ({"kind": "queued"}, "unknown"),
    ({"kind": "invalid_json"}, "unknown"),
    ({"kind": "errors_without_index"}, "unknown"),
    ({"kind": "errors_unknown_row"}, "unknown"),
    ({"status": 201, "body": "html"}, "unknown"),
    ({"status": 200, "body": "empty"}, "unknown"),
    ({"kind": "wrong_counts"}, "accepted"),
    ({"kind": "slow", "seconds": 0.001}, "accepted"),
    ({"kind": "late", "seconds": 0.2}, "accepted"),
]

TRANSIENT = [
    *(
        {"status": status, "body": body}
        for status in (500, 502, 503, 504)
        for body in ("html", "json", "empty")
    ),
    {"status": 408},
    *({"kind": kind, "processed": done} for kind in ("drop", "reset", "cut") for done in (True, False)),
    {"kind": "slow", "status": 500, "processed": False, "seconds": 0.001},
    {"kind": "hang", "processed": True},
    {"kind": "hang", "processed": False},
    {"kind": "late", "seconds": 5},
]


class TestFaults:
    @pytest.mark.parametrize(("fault", "outcome"), SETTLED)
    def test_answers_that_settle(self, sandbox: SandboxProcess, fault: dict[str, Any], outcome: str) -> None:
        sandbox.fault(**fault)
        pushed = run(people(100), workspace(sandbox.url, max_in_flight=1))
        assert pushed[outcome] >= 75
        assert pushed["accepted"] + pushed["unknown"] == 100
        assert (pushed.ledger.requests, pushed.ledger.retries, pushed.error) == (2, 0, None)
        assert bool(pushed.ledger.notes) is (fault.get("kind") == "wrong_counts")
        check_profiles(sandbox, pushed, 100)

    @pytest.mark.parametrize("fault", TRANSIENT, ids=str)
    def test_trouble_that_passes(self, sandbox: SandboxProcess, fault: dict[str, Any]) -> None:
        sandbox.fault(**fault, count=3)
        pushed = run(people(200), workspace(sandbox.url, timeout=2))
        assert pushed.error is None
        assert pushed.counts == {"accepted": 200}
        assert pushed.ledger.requests == sandbox.stats()["requests"] == 6
        assert pushed.ledger.retries == 3
        check_profiles(sandbox, pushed, 200)

    @pytest.mark.parametrize(
        "fault", [{"status": 500}, {"status": 503, "body": "html"}, {"kind": "drop"}, {"kind": "reset"}]
    )
    def test_trouble_without_end_is_given_up_after_six_attempts(
        self, sandbox: SandboxProcess, fault: dict[str, Any]
    ) -> None:
        sandbox.fault(**fault, count=10**6)
        pushed = run(people(1000), workspace(sandbox.url, max_in_flight=1))
        assert isinstance(pushed.error, BrazeServerError if "status" in fault else BrazeUnreachableError)
        assert pushed.error.retryable
        assert pushed.counts == {"unknown": 75, "not_sent": 925}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (6, 5)
        assert sandbox.profiles() == {}

    def test_everything_down_with_many_in_flight_ends_and_adds_up(self, sandbox: SandboxProcess) -> None:
        sandbox.fault(kind="drop", processed=True, count=10**6)
        pushed = run(people(9000), workspace(sandbox.url))
        assert isinstance(pushed.error, BrazeUnreachableError)
        assert pushed["accepted"] == 0
        assert 0 < pushed["unknown"] <= 96 * 75
        assert pushed["not_sent"] == pushed.ledger.records - pushed["unknown"] > 0
        check_profiles(sandbox, pushed, 9000)

    def test_two_minutes_without_any_answer_are_enough(
        self, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sender, "LONGEST_SILENCE", 2.5)
        sandbox.fault(kind="hang", count=10**6)
        pushed = run(people(10), workspace(sandbox.url, timeout=1))
        assert pushed.counts == {"unknown": 10}
        assert pushed.ledger.requests == 3

    def test_any_answer_ends_the_silence(
        self, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sender, "LONGEST_SILENCE", 3.5)
        hang = {"kind": "hang"}
        sandbox.faults(hang, hang, {"status": 500}, hang, hang)
        pushed = run(people(10), workspace(sandbox.url, timeout=1))
        assert pushed.counts == {"accepted": 10}
        assert pushed.ledger.requests == 6

    def test_time_that_a_429_orders_is_no_silence(
        self, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sender, "LONGEST_SILENCE", 2.5)
        limited = {"status": 429, "rate_headers": "seconds", "retry_after": 2}
        hang = {"kind": "hang"}
        sandbox.faults(hang, limited, hang, hang)
        pushed = run(people(10), workspace(sandbox.url, timeout=0.8))
        assert pushed.counts == {"accepted": 10}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (5, 4)

    def test_a_pause_that_another_request_brought_is_no_silence_either(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sender, "LONGEST_SILENCE", 0.8)
        seen: list[bytes] = []

        def answer(body: bytes) -> bytes | None:
            seen.append(body)
            if b"u000000" in body:
                # Closed twice, then well.
                return None if sum(b"u000000" in each for each in seen) <= 2 else SUCCESS
            limited = http(429, {}, "X-Ratelimit-Retry-After: 1\r\n")
            return limited if sum(b"u000001" in each for each in seen) == 1 else SUCCESS

        with Answering(answer) as server:
            pushed = run(people(2), workspace(server.url, objects_per_request=1, max_in_flight=2))
        assert pushed.counts == {"accepted": 2}

    def test_one_batch_is_given_up_while_the_others_get_through(self) -> None:
        def answer(body: bytes) -> bytes:
            time.sleep(0.002)
            return http(500, b"<html>") if b"poison" in body else SUCCESS

        items = people(3000)
        items[10] = profile_object("u000010", 12, city="poison")
        with Answering(answer) as server:
            pushed = run(items, workspace(server.url, max_in_flight=4))
        assert pushed.error is None
        assert pushed.counts == {"accepted": 2925, "unknown": 75}
        assert 12 in pushed.written.lines("unknown")
        assert (pushed.ledger.requests, pushed.ledger.retries) == (45, 5)
        assert pushed.ledger.reasons == {"given up: Braze answered 500": 75}


class TestHonestRetries:
    def test_a_lost_answer_then_success(self, sandbox: SandboxProcess) -> None:
        sandbox.fault(kind="drop", processed=True)
        pushed = run(people(10), workspace(sandbox.url))
        assert pushed.counts == {"accepted": 10}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (2, 1)

    @pytest.mark.parametrize(
        ("first", "outcome"),
        [
            ({"kind": "drop", "processed": True}, "unknown"),
            ({"kind": "hang"}, "unknown"),
            ({"status": 500}, "unknown"),
            ({"status": 504, "processed": True}, "unknown"),
            ({"status": 429, "rate_headers": "seconds", "retry_after": 0.1}, "not_sent"),
        ],
    )
    def test_a_lost_answer_then_401(
        self, sandbox: SandboxProcess, first: dict[str, Any], outcome: str
    ) -> None:
        sandbox.faults(first, {"status": 401, "count": 10**6})
        pushed = run(people(10), workspace(sandbox.url, timeout=1))
        assert isinstance(pushed.error, BrazeAuthError)
        assert pushed.counts == {outcome: 10}
        check_profiles(sandbox, pushed, 10)

    def test_a_lost_answer_then_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def once() -> None:
                connection, _ = server.accept()
                connection.recv(65536)
                server.close()
                connection.close()

            thread = threading.Thread(target=once, daemon=True)
            thread.start()
            pushed = run(people(10), workspace(f"http://127.0.0.1:{server.getsockname()[1]}"))
            thread.join(10)
        assert isinstance(pushed.error, BrazeUnreachableError)
        assert pushed.counts == {"unknown": 10}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (1, 0)

    def test_a_lost_answer_then_a_refusal_in_halves(self, sandbox: SandboxProcess) -> None:
        sandbox.faults(
            {"kind": "drop", "processed": True}, {"status": 400}, {"status": 400}, {"status": 401, "count": 9}
        )
        pushed = run(people(4), workspace(sandbox.url))
        assert pushed.counts == {"unknown": 4}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (4, 1)

    @pytest.mark.parametrize("make", [event, purchase])
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "drop", "processed": True},
            {"kind": "reset"},
            {"kind": "hang"},
            {"status": 500},
            {"status": 504},
        ],
    )
    def test_events_are_not_sent_again_after_a_lost_answer(
        self, sandbox: SandboxProcess, fault: dict[str, Any], make: Any
    ) -> None:
        sandbox.fault(**fault)
        items = [profile_object("a", 2, city="x"), make("a", 3), make("b", 4)]
        pushed = run(items, workspace(sandbox.url, timeout=1))
        assert pushed.counts == {"accepted": 1, "unknown": 2}
        assert pushed.written.lines("unknown") == [3, 4]
        # The second body lacks the events, so it is no retry.
        assert (pushed.ledger.requests, pushed.ledger.retries) == (2, 0)
        received = [p for profile in sandbox.all_profiles() for p in profile.get("events_received", [])]
        assert len(received) <= 2

    def test_a_repeat_of_what_was_left_is_a_retry(self, sandbox: SandboxProcess) -> None:
        sandbox.fault(status=500, count=2)
        pushed = run([profile_object("a", 2, city="x"), event("a", 3)], workspace(sandbox.url))
        assert pushed.counts == {"accepted": 1, "unknown": 1}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (3, 1)

    def test_increments_are_not_sent_again_either(self, sandbox: SandboxProcess) -> None:
        sandbox.put_profiles({"external_id": "a", "custom_attributes": {"n": 1}})
        sandbox.fault(kind="drop", processed=True)
        pushed = run([profile_object("a", 2, n={"inc": 5})], workspace(sandbox.url))
        assert pushed.counts == {"unknown": 1}
        assert sandbox.profile("a")["custom_attributes"]["n"] == 6  # type: ignore[index]

    def test_on_request_events_are_sent_again(self, sandbox: SandboxProcess) -> None:
        sandbox.fault(kind="drop", processed=True)
        pushed = run([event("a", 2)], workspace(sandbox.url), retry_events=True)
        assert pushed.counts == {"accepted": 1}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (2, 1)

    @pytest.mark.parametrize("status", [429, 502, 503])
    def test_events_that_surely_were_not_processed_are_sent_again(
        self, sandbox: SandboxProcess, status: int
    ) -> None:
        sandbox.put_profiles({"external_id": "a"})
        sandbox.fault(status=status, rate_headers="seconds", retry_after=0.1)
        pushed = run([event("a", 2)], workspace(sandbox.url))
        assert pushed.counts == {"accepted": 1}
        assert len(sandbox.profile("a")["events_received"]) == 1  # type: ignore[index]


class TestRateLimit:
    @pytest.mark.parametrize("family", ["epoch", "seconds", "none"])
    def test_a_429_costs_waiting_never_data_and_is_no_attempt(
        self, sandbox: SandboxProcess, family: str
    ) -> None:
        limited = {"status": 429, "count": 3, "rate_headers": family, "retry_after": 0.5}
        sandbox.faults({"status": 500, "count": 3}, limited, {"status": 500, "count": 2})
        began = time.monotonic()
        pushed = run(people(10), workspace(sandbox.url, max_in_flight=1, requests_per_second=50))
        assert pushed.counts == {"accepted": 10}
        assert (pushed.ledger.requests, pushed.ledger.retries) == (9, 8)
        assert pushed.push.limiter.refusals == 3
        assert time.monotonic() - began >= 1.5

    def test_a_push_at_the_right_ceiling_meets_no_429(self) -> None:
        with SandboxProcess("--rate", "60/3", "--latency-ms", "10") as sandbox:
            pushed = run(people(90), workspace(sandbox.url, requests_per_second=20, objects_per_request=1))
            assert pushed.counts == {"accepted": 90}
            assert sandbox.stats()["by_status"] == {"201": 90}
            assert sandbox.stats()["max_requests_in_3s"] <= 60

    def test_with_the_ceiling_set_too_high_nothing_is_lost(self) -> None:
        with SandboxProcess("--rate", "20/1", "--rate-headers", "seconds") as sandbox:
            pushed = run(people(60), workspace(sandbox.url, objects_per_request=1))
            assert pushed.counts == {"accepted": 60}
            assert len(sandbox.profiles()) == 60
            assert pushed.ledger.requests == 60 + pushed.push.limiter.refusals


STOPS = [
    (401, BrazeAuthError),
    (403, BrazePermissionError),
    (404, BrazeRefusedError),
    (405, BrazeRefusedError),
    (415, BrazeRefusedError),
    (301, BrazeRefusedError),
    (307, BrazeRefusedError),
]


class TestStops:
    @pytest.mark.parametrize(("status", "kind"), STOPS)
    def test_what_no_repeat_mends_stops_at_once(
        self, sandbox: SandboxProcess, status: int, kind: type[BrazeError]
    ) -> None:
        fault = {"kind": "redirect"} if status < 400 else {}
        sandbox.fault(status=status, count=10**6, after=3, **fault)
        pushed = run(people(8000), workspace(sandbox.url, max_in_flight=1))
        assert type(pushed.error) is kind
        assert pushed.counts["accepted"] == 3 * 75
        assert pushed["unknown"] == 0
        assert pushed.ledger.requests == sandbox.stats()["requests"] == 4
        assert pushed.ledger.records == 225 + pushed["not_sent"] < 8000
        check_profiles(sandbox, pushed, 8000)

    def test_in_the_middle_with_many_in_flight(self, slow: SandboxProcess) -> None:
        slow.fault(status=401, count=10**6, after=20)
        pushed = run(people(20_000), workspace(slow.url))
        assert pushed.counts["accepted"] == 20 * 75
        assert pushed["unknown"] == 0
        assert pushed.ledger.requests == slow.stats()["requests"] <= 20 + 96
        check_profiles(slow, pushed, 20_000)

    def test_the_wrong_key_is_nowhere(self, sandbox: SandboxProcess) -> None:
        where = workspace(sandbox.url, api_key="a-very-secret-key-0123")
        pushed = run(people(5), where)
        assert isinstance(pushed.error, BrazeAuthError)
        assert "a-very-secret" not in repr((pushed.error, pushed.ledger, pushed.written, where))
        assert pushed.counts == {"not_sent": 5}

    def test_a_port_that_nobody_listens_on(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            pushed = run(people(100), workspace(f"http://127.0.0.1:{bound.getsockname()[1]}"))
        assert isinstance(pushed.error, BrazeUnreachableError)
        assert pushed.counts == {"not_sent": 100}
        assert (pushed.ledger.requests, pushed.ledger.retries, pushed.ledger.bytes) == (0, 0, 0)

    def test_a_name_that_does_not_resolve(self) -> None:
        pushed = run(people(3), workspace("http://no-such-host.invalid"))
        assert isinstance(pushed.error, BrazeUnreachableError)
        assert pushed.counts == {"not_sent": 3}


class TestAlwaysEnds:
    """Whatever the workers wait for, a stop ends the push, and soon."""

    def test_while_they_wait_for_the_end_of_a_pause(self) -> None:
        # All are in flight before the first is answered: a 429 that comes sooner keeps the others back for the hour,
        # and rightly so.
        all_there = threading.Barrier(20)

        def answer(body: bytes) -> bytes:
            if all_there.wait(60) < 10:
                return http(429, {}, "X-Ratelimit-Retry-After: 3600\r\n")
            until(lambda: push.limiter.refusals == 10)
            return http(401, {})

        with Answering(answer, threads=20) as server:
            where = workspace(server.url, objects_per_request=1, max_in_flight=20)
            push, ledger, written = start(people(2000), where)
            run_within(push)
        check_sum(ledger, written)
        assert isinstance(push.error, BrazeAuthError)
        assert ledger.outcomes == {"not_sent": ledger.records}
        assert push.limiter.paused_for > 3000
        assert server.requests == 20

    def test_while_they_wait_to_try_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sender, "_FIRST_BACKOFF", 1000.0)
        monkeypatch.setattr(sender, "_LONGEST_BACKOFF", 1000.0)

        def answer(body: bytes) -> bytes:
            time.sleep(0.05)
            return http(401 if b"u000003" in body else 500, {})

        with Answering(answer) as server:
            pushed = run(people(4), workspace(server.url, objects_per_request=1, max_in_flight=4))
        assert pushed.counts == {"unknown": 3, "not_sent": 1}

    def test_while_every_user_in_the_window_is_in_flight(self) -> None:
        def answer(body: bytes) -> bytes:
            time.sleep(0.2)
            return http(403, {})

        items = (event("one", n) for n in range(30_000))
        with Answering(answer) as server:
            pushed = run(items, workspace(server.url))
        assert isinstance(pushed.error, BrazePermissionError)
        assert pushed.counts == {"not_sent": pushed.ledger.records}
        assert pushed.ledger.records <= 20_100

    def test_a_window_full_of_one_user_is_sent_bit_by_bit(self, sandbox: SandboxProcess) -> None:
        pushed = run((event("one", n) for n in range(25_000)), workspace(sandbox.url), seconds=300)
        assert pushed.counts == {"accepted": 25_000}

    def test_a_stop_from_outside(self, slow: SandboxProcess) -> None:
        push, ledger, written = start(people(20_000), workspace(slow.url, requests_per_second=50))

        once(lambda: ledger.outcomes["accepted"], lambda: push.stop_from_outside(BrazeError("enough"), 60))
        run_within(push)
        check_sum(ledger, written)
        assert ledger.records < 20_000
        assert str(push.error) == "enough"
        assert ledger.outcomes["accepted"] > 0
        assert ledger.outcomes["unknown"] == 0


class TestBrokenSource:
    def test_it_ends_the_push_and_what_was_read_is_accounted_for(self, sandbox: SandboxProcess) -> None:
        def source() -> Iterator[ProfileObject]:
            yield from people(7000)
            raise ConnectionResetError(104, "share gone, at the record of ann@example.org")

        pushed = run(source(), workspace(sandbox.url))
        assert isinstance(pushed.error, ConnectionResetError)
        assert "share gone" in describe(pushed.error)
        assert pushed.ledger.records == 7000
        assert pushed["accepted"] + pushed["not_sent"] == 7000
        assert pushed["accepted"] > 0
        check_profiles(sandbox, pushed, 7000)

    def test_its_words_are_not_repeated_where_they_may_quote_a_record(self) -> None:
        assert describe(ValueError("bad row: ann@example.org")) == "ValueError"
        assert describe(BrazeError("ours")) == "ours"
        assert describe(OSError("no number")) == "OSError"

    def test_before_the_first_record(self, sandbox: SandboxProcess) -> None:
        def source() -> Iterator[ProfileObject]:
            raise ValueError
            yield

        pushed = run(source(), workspace(sandbox.url))
        assert isinstance(pushed.error, ValueError)
        assert pushed.counts == {}


class Full(Written):
    """A sink whose disk is full after so many records."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, *record: Any) -> None:
        if len(self.rows) >= self.most:
            raise OSError(28, "No space left on device")
        super().write(*record)


class TestRejectsCannotBeWritten:
    @pytest.mark.parametrize("most", [0, 1, 50])
    def test_the_push_stops_and_the_counts_are_still_true(self, sandbox: SandboxProcess, most: int) -> None:
        items = people(9000)
        for n in range(0, 9000, 3):
            items[n] = profile_object(f"u{n:06}", n + 2, email="nobody")
        push, ledger, _ = start(items, workspace(sandbox.url, max_in_flight=4))
        ledger.sink = sink = Full(most)
        run_within(push)
        check_sum(ledger)
        assert isinstance(push.error, OSError)
        assert len(sink.rows) == most
        assert ledger.outcomes["not_sent"] > 0
        assert ledger.outcomes["accepted"] == len(sandbox.profiles()) > 0

    def test_also_when_the_source_refuses_records(self, sandbox: SandboxProcess) -> None:
        def source() -> Iterator[ProfileObject | None]:
            for item in people(20_000):
                ledger.refuse(replace(item.references[0], segment=ledger.begin()), "", "too wide")
                yield None

        push, ledger, _ = start([], workspace(sandbox.url))
        push._intake.source = source()
        ledger.sink = Full(3)
        run_within(push)
        check_sum(ledger)
        assert isinstance(push.error, OSError)
        assert ledger.records < 20_000

    def test_and_when_it_turns_out_at_the_end(self, sandbox: SandboxProcess) -> None:
        class FullAtTheEnd(Written):
            def flush(self) -> None:
                raise OSError(28, "No space left on device")

        push, ledger, _ = start([profile_object("a", email="x"), *people(3)], workspace(sandbox.url))
        ledger.sink = FullAtTheEnd()
        push.run()
        check_sum(ledger)
        assert isinstance(push.error, OSError)


class Interrupted(BaseException):
    """Such as Airflow raises in the main thread when a task is killed or takes too long."""


class TestInterrupted:
    def test_cancelling_calls_not_sent_what_was_never_sent(self, slow: SandboxProcess) -> None:
        push, ledger, written = start(people(30_000), workspace(slow.url, requests_per_second=200))

        def stop() -> None:
            if ledger.outcomes["accepted"] and ledger.sent:
                push.stop_from_outside(Interrupted(), 0.0)

        push.run(stop, every=0)
        assert isinstance(push.error, Interrupted)
        check_sum(ledger, written)
        # Nearly all workers hold a batch that waits for the limit: only what a request carried may be unknown.
        assert ledger.outcomes["accepted"] + ledger.outcomes["unknown"] == 75 * ledger.requests
        assert ledger.outcomes["accepted"] > 0
        assert ledger.outcomes["unknown"] > 0
        check_profiles(slow, Pushed(ledger, written, push, None), 30_000)

    def test_while_an_answer_is_accounted_for(self, sandbox: SandboxProcess) -> None:
        class Torn(Written):
            def write(self, *record: Any) -> None:
                super().write(*record)
                if len(self.rows) == 1:
                    raise Interrupted

        items = people(10)
        items[4] = profile_object("u000004", 6, email="nobody")
        push, ledger, _ = start(items, workspace(sandbox.url))
        ledger.sink = Torn()
        with pytest.raises(Interrupted):
            push.run()
        assert ledger.outcomes == {"accepted": 4, "rejected": 1, "unknown": 5}

    def test_between_the_halves_of_a_batch(self) -> None:
        seen: list[bytes] = []

        def answer(body: bytes) -> bytes:
            seen.append(body)
            if len(seen) == 1:
                return http(400, {})
            time.sleep(1)
            return SUCCESS

        with Answering(answer) as server:
            push, ledger, written = start(people(10), workspace(server.url))
            push.run(
                lambda: push.stop_from_outside(Interrupted(), 0.0) if len(seen) > 1 else None, every=0.01
            )
        check_sum(ledger, written)
        assert ledger.outcomes == {"unknown": 5, "not_sent": 5}
        assert written.lines("unknown") == [2, 3, 4, 5, 6]

    def test_between_an_answer_that_accepts_all_and_the_account(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def incomplete(*_: Any) -> None:
            raise Interrupted

        monkeypatch.setattr(Ledger, "settle_batch", incomplete)
        with Answering(lambda _: SUCCESS) as server:
            push, ledger, written = start(people(3), workspace(server.url))
            with pytest.raises(Interrupted):
                push.run()
        check_sum(ledger, written)
        assert ledger.outcomes == {"unknown": 3}

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("moment", [n / 30 for n in range(1, 13)])
    def test_a_signal_that_raises_anywhere(self, slow: SandboxProcess, moment: float) -> None:
        raised = []

        def raise_it(*_: Any) -> None:
            raised.append(moment)
            raise Interrupted

        push, ledger, written = start(people(60_000), workspace(slow.url, timeout=2))
        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            # Within a callback of libcurl it is swallowed, and within the loop's own code the loop may wait for ever,
            # until the next one: pushes/attempt/signals.py lets it not come to that.
            signal.setitimer(signal.ITIMER_REAL, moment, 5.0)
            with contextlib.suppress(Interrupted):
                push.run()
        except SystemError as error:
            # What raises inside a constructor written in C, as a socket's, Python reports so.
            if not isinstance(error.__cause__, Interrupted):
                raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert sum(ledger.outcomes.values()) == ledger.records > 0
        lost = ledger.records - sum(ledger.outcomes[o] for o in ("accepted", "merged")) - len(written.rows)
        assert 0 <= lost <= 75 * len(raised), "more than the batch in hand was torn away"


class TestMemory:
    def test_failed_records_behind_one_that_waits_for_its_answer_are_not_collected_without_end(
        self, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sinks, "_MOST_HELD", 300)
        sandbox.fault(kind="late", seconds=1.5, count=1)
        held: list[int] = []

        def source() -> Iterator[ProfileObject | None]:
            for item in people(6000):
                segment = ledger.begin()
                item.references = [replace(reference, segment=segment) for reference in item.references]
                yield item
            for item in people(20_000):
                ledger.refuse(replace(item.references[0], segment=ledger.begin()), "", "too wide")
                held.append(ledger._held.records)
                yield None

        push, ledger, written = start([], workspace(sandbox.url, max_in_flight=2))
        push._intake.source = source()
        run_within(push)
        check_sum(ledger, written)
        assert push.error is None
        assert len(written.rows) == 20_000
        assert max(held) <= 300 + 250

    def test_failed_records_that_wait_for_nothing_do_not_end_the_reading(
        self, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sinks, "_MOST_HELD", 40)

        def source() -> Iterator[ProfileObject | None]:
            for item in people(3000):
                ledger.refuse(replace(item.references[0], segment=ledger.begin()), "", "too wide")
                yield None

        push, ledger, written = start([], workspace(sandbox.url))
        push._intake.source = source()
        run_within(push)

        assert push.error is None
        assert len(written.rows) == 3000

    def test_two_hundred_thousand_records_in_a_bounded_window(self) -> None:
        most_held = most_records = 0

        def source() -> Iterator[ProfileObject]:
            nonlocal most_held, most_records
            for n in range(200_000):
                user = f"u{n - 901}" if n % 50 == 0 and n > 901 else f"u{n}"
                yield profile_object(user, n, city=f"c{n}")
                most_records = max(most_records, push._window.records)
                most_held = max(most_held, ledger.records - sum(ledger.outcomes.values()))

        with Answering(lambda _: SUCCESS) as server:
            push, ledger, written = start(source(), workspace(server.url, requests_per_second=10_000))
            run_within(push)
        check_sum(ledger, written)
        assert ledger.outcomes["accepted"] + ledger.outcomes["merged"] == 200_000
        assert ledger.outcomes["merged"] > 3900
        assert most_records <= LOOK_AHEAD_RECORDS + 75 * 3
        assert most_held <= most_records + 96 * 80
        assert push._window.records == 0
        assert not push._window._last
        assert ledger.requests <= ledger.outcomes["accepted"] / 75 + 2

    def test_what_was_sent_is_let_go(self, sandbox: SandboxProcess) -> None:
        item = profile_object("a", 2, city="x")
        run([item], workspace(sandbox.url))
        assert not item.references


class TestConfirm:
    def test_users_that_braze_does_not_know_are_not_found(self, sandbox: SandboxProcess) -> None:
        sandbox.put_profiles([{"external_id": f"u{n:06}"} for n in range(0, 400, 2)])
        items = people(400, _update_existing_only=True)
        pushed = run(items, workspace(sandbox.url), confirm=True)
        assert pushed.counts == {"accepted": 200, "not_found": 200}
        assert len(pushed.written.lines("not_found")) == 200
        assert len(sandbox.profiles()) == 200

    @pytest.mark.parametrize("fault", [{"status": 403}, {"status": 500}, {"kind": "drop"}])
    def test_a_look_up_that_fails_stops_the_push(
        self, sandbox: SandboxProcess, fault: dict[str, Any]
    ) -> None:
        sandbox.fault(**fault, path="/users/export/ids", count=10**6)
        pushed = run(people(10), workspace(sandbox.url), confirm=True)
        assert isinstance(pushed.error, BrazeError)
        assert pushed.counts == {"not_sent": 10}
        assert "/users/track" not in sandbox.stats()["by_path"]


def test_reasons_hold_no_personal_value() -> None:
    def answer(body: bytes) -> bytes:
        objects = json.loads(body)["attributes"]
        wrong = [
            {"input_array": "attributes", "index": n, "type": f"'{o['email']}' is odd"}
            for n, o in enumerate(objects)
        ]
        return http(201, {"message": "success", "errors": wrong[1:]})

    items = [profile_object(f"u{n}", n, email=f"person{n}@example.org") for n in range(200)]
    with Answering(answer) as server:
        pushed = run(items, workspace(server.url))
    assert pushed.ledger.reasons == {"'…' is odd": 197}
    assert all("person" in reason for _, _, reason, _ in pushed.written.rows)
