from __future__ import annotations

import http.client
import json
import ssl
import time

import pytest

from benchmarks.measure import SinkProcess
from benchmarks.window import Crowd, Limit

BODY = json.dumps({"attributes": [{"external_id": "P1", "_update_existing_only": False}] * 40})


def connect(sink, port):
    if sink.certificate is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    context = ssl.create_default_context(cafile=sink.certificate)
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)


def post(sink, count, body=BODY):
    """Post over one connection; return the last answer's headers and all statuses and bodies."""
    connection = connect(sink, int(sink.url.rpartition(":")[2]))
    answers = []
    headers = {}
    for _ in range(count):
        connection.request("POST", "/users/track", body)
        answer = connection.getresponse()
        headers = dict(answer.headers)
        answers.append((answer.status, json.loads(answer.read())))
    connection.close()
    return headers, answers


@pytest.mark.parametrize("arguments", [(), ("--tls",)])
def test_it_takes_and_counts_requests(arguments):
    with SinkProcess("--count-objects", *arguments) as sink:
        _, answers = post(sink, 3)
        post(sink, 1, body=BODY + " " * 1_000_000)
    assert answers == [(201, {"attributes_processed": 40, "message": "success"})] * 3
    counts = sink.counts
    assert (counts["requests"], counts["connections"], counts["objects"]) == (4, 2, 160)
    assert (counts["refused"], counts["most_in_3s"]) == (0, 4)
    assert counts["bytes"] > 1_000_000


def test_it_keeps_a_limit_and_says_when_there_is_more():
    with SinkProcess("--limit", "5/3") as sink:
        headers, answers = post(sink, 7)
    assert [status for status, _ in answers] == [201] * 5 + [429] * 2
    assert headers["X-RateLimit-Limit"] == "5"
    assert headers["X-RateLimit-Remaining"] == "0"
    assert 0 < int(headers["X-RateLimit-Reset"]) - time.time() <= 4
    assert sink.counts["refused"] == 2


def test_it_tells_of_a_budget_and_nothing_of_the_limit():
    with SinkProcess("--limit", "4/3600", "--told", "6/3600", "--by-clock") as sink:
        port = int(sink.url.rpartition(":")[2])
        answers = []
        for key in ["a", "a", "a", "b", "b"]:
            connection = connect(sink, port)
            connection.request("POST", "/users/track", BODY, {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answers.append((answer.status, answer.headers["X-RateLimit-Remaining"]))
            connection.close()
    # The clock of the limit may begin another window meanwhile.
    assert answers[:2] == [(201, "5"), (201, "4")]
    assert answers[-1] in [(429, "2"), (201, "1")]
    assert int(answer.headers.get("X-Ratelimit-Retry-After", 1)) > 0
    assert {key: sum(counts) for key, counts in sink.counts["by_second"].items()}["a"] == 3


def test_it_answers_late():
    with SinkProcess("--latency-ms", "80") as sink:
        started = time.monotonic()
        post(sink, 2)
        assert time.monotonic() - started >= 0.16


def test_a_sliding_window_counts_any_three_seconds():
    limit = Limit(2, 3.0)
    assert [limit.take(now) for now in (0.0, 2.9, 2.95, 3.1, 3.2, 6.0)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_crowd_remembers_the_most_there_were():
    crowd = Crowd(3.0)
    for now in (0.0, 1.0, 2.0, 3.5, 9.0):
        crowd.add(now)
    assert crowd.most == 3
    assert crowd.now(9.5) == 1
