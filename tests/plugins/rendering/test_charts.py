from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest

from airflow_provider_braze.plugins.rendering.charts import HEIGHT, OTHERS, WIDTH, bar, rate_chart, shares
from tests.plugins.invented import progress, report


class TestBar:
    def test_lays_every_outcome_that_there_is_side_by_side(self) -> None:
        segments = bar(report(accepted=60, merged=20, invalid=20))
        widths = {segment.outcome: segment.width for segment in segments}
        assert widths == {"accepted": 600, "invalid": 200, "merged": 200}
        assert sum(segment.width for segment in segments) == pytest.approx(WIDTH, abs=0.1)
        for before, after in itertools.pairwise(segments):
            assert after.start == pytest.approx(before.start + before.width, abs=0.1)

    def test_one_bad_record_in_a_million_can_be_seen(self) -> None:
        (_, bad) = bar(report(accepted=10**6, invalid=1))
        assert bad.width > 3
        assert bad.share == pytest.approx(1e-6, rel=0.01)

    def test_of_a_running_push_tells_apart_what_has_no_outcome_yet(self) -> None:
        found = bar(progress(in_flight=75), running=True)
        segments = {segment.outcome: segment.records for segment in found}
        # 755 are 40 % of the file, so it has some 1,888, of which 1,000 are read.
        assert segments == {"accepted": 750, "invalid": 5, "in_flight": 75, "read_ahead": 170, "to_come": 888}
        assert found[0].share == pytest.approx(0.4, abs=0.01)

    def test_of_a_push_that_waits_has_what_is_sent_after_the_wait(self) -> None:
        found = bar(progress(to_be_sent=245), running=True)
        assert [segment.outcome for segment in found] == ["accepted", "invalid", "to_be_sent", "to_come"]

    @pytest.mark.parametrize("odd", [{"share": 0}, {"share": None}, {"share": "x"}, {"share": 1e-300}])
    def test_of_a_running_push_of_unknown_size_has_what_is_read(self, odd: dict[str, Any]) -> None:
        found = bar(progress(**odd), running=True)
        assert [segment.outcome for segment in found] == ["accepted", "invalid", "read_ahead"]

    @pytest.mark.parametrize("record", [{}, {"accepted": "many"}, {"accepted": -1}, {"accepted": True}])
    def test_of_nothing_is_empty(self, record: dict[str, Any]) -> None:
        assert bar(record) == []


class TestRateChart:
    def test_draws_the_pace_of_each_interval_as_a_step(self) -> None:
        chart = rate_chart([[0, 0], [1, 100], [2, 300], [4, 300]])
        assert chart is not None
        assert (chart.peak, chart.seconds) == (200, 4)
        points = [tuple(map(float, point.split())) for point in re.split("[ML]", chart.line)[1:]]
        assert points == [(0, 50), (250, 50), (250, 0), (500, 0), (500, 100), (1000, 100)]
        assert chart.area.startswith(chart.line)
        assert chart.area.endswith(f"L{WIDTH} {HEIGHT}L0 {HEIGHT}Z")

    @pytest.mark.parametrize(
        "samples",
        [
            None,
            "samples",
            [],
            [[0, 0]],
            [[0, 0], [1, 5]],
            [[0, 0], [1, 0], [2, 0]],
            [[0, 0], [1, "<script>"], [2, 5]],
            [[0, 0], [1, math.nan], [2, 5]],
            [[0, 0], [1, math.inf], [2, 5]],
            [[0, 0], [1], [2, 5]],
            [{}, {}, {}],
            ["ab", "cd", "ef"],
        ],
    )
    def test_of_too_little_or_of_nonsense_is_none(self, samples: Any) -> None:
        assert rate_chart(samples) is None

    def test_leaves_out_points_that_go_back(self) -> None:
        assert rate_chart([[0, 0], [2, 10], [1, 20], [3, 5], [4, 30]]) == rate_chart(
            [[0, 0], [2, 10], [4, 30]]
        )


def test_shares_are_as_long_as_they_are_large_and_few() -> None:
    assert [
        (share.name, share.count, share.width) for share in shares({"a": 5, "b": 10, "c": 0, "d": "x"})
    ] == [
        ("b", 10, 1000.0),
        ("a", 5, 500.0),
    ]
    many = shares({str(number): 1 for number in range(100)})
    assert (len(many), sum(share.count for share in many)) == (12, 100)
    assert {share.name for share in many} >= {OTHERS}
