from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.traffic.rate import RateLimit, empty_headers, read_rate


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_window_follows_the_clock():
    clock = Clock(300.5)
    limit = RateLimit(2, 3, clock=clock)
    assert [limit.take() for _ in range(3)] == [True, True, False]
    clock.now = 302.9
    assert not limit.take()
    clock.now = 303.0
    assert limit.take()
    assert limit.headers() == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": "306",
    }


def test_a_refusal_in_each_family():
    clock = Clock(1000.25)
    limit = RateLimit(1, 3, clock=clock)
    assert limit.refusal_headers() == {
        "X-RateLimit-Limit": "1",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1002",
    }
    assert limit.refusal_headers("seconds") == {"X-Ratelimit-Retry-After": "2"}
    assert limit.refusal_headers("seconds", 7) == {"X-Ratelimit-Retry-After": "7"}
    assert limit.refusal_headers("none") == {}


def test_the_family_of_mau_contracts_counts_seconds_down():
    assert RateLimit(1, 3, family="seconds", clock=Clock(1000.25)).headers()["X-RateLimit-Reset"] == "2"


def test_without_a_limit_the_headers_are_those_once_recorded():
    limit = RateLimit(clock=Clock(1592424123.0))
    assert all(limit.take() for _ in range(10_000))
    assert limit.headers() == {
        "X-RateLimit-Limit": "250000",
        "X-RateLimit-Remaining": "250000",
        "X-RateLimit-Reset": "1592427600",
    }
    assert set(empty_headers().values()) == {""}


def test_reading_a_rate():
    assert read_rate("2") == (2, 1.0)
    assert read_rate("3000/3") == (3000, 3.0)
    for text in ("", "0", "-1", "a", "1/", "1/0", "1/x", "2.5"):
        if text == "1/":
            assert read_rate(text) == (1, 1.0)
        else:
            with pytest.raises(ValueError):  # noqa: PT011 - int and float word it
                read_rate(text)
