"""The harness is kept alive: everything runs once at a tiny size, and nothing is said about times."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from benchmarks import plots
from benchmarks.measure import Child
from benchmarks.parts import PARTS


def test_every_part_measures_and_is_written_down(tmp_path):
    Child("benchmarks.run", ["--smoke", str(tmp_path)]).reap()
    parts = json.loads((tmp_path / "results.json").read_text())["parts"]
    assert list(parts) == list(PARTS)
    for name in ("baselines", "growth", "limit", "third", "sharing", "older", "memory"):
        for run in parts[name]["runs"]:
            assert run["wall"] > 0, run
            assert run["cpu"] > 0, run
            assert run["peak_mb"] > 10, run
            assert run["requests"] >= run["objects"] / 75, run
            assert run["refused"] == 0, run
    product, *baselines = parts["baselines"]["runs"]
    assert product["objects"] < product["records"], "records of one user were not merged"
    assert all(run["objects"] == run["records"] == product["records"] for run in baselines)
    unchanged = {run["variant"]: run["unchanged"] for run in parts["memory"]["runs"]}
    assert unchanged["without"] == unchanged["first"] == 0
    assert unchanged["unchanged"] > unchanged["changed"] > 2_000 * 0.8
    # The older commit is missing where only the last one was cloned.
    assert {run["variant"] for run in parts["older"]["runs"]} in ({"product", "older"}, set())
    assert 100 < parts["entered"]["functions"] < 1000
    assert 20 < parts["entered"]["files"] < 200
    assert [turn["records"] for turn in parts["small"]["turns"]] == [75]
    assert {turn["client"] for turn in parts["clients"]["turns"]} | set(parts["clients"]["missing"]) == {
        "aiohttp",
        "pycurl",
        "pyreqwest",
    }

    document = (tmp_path / "benchmarks.md").read_text()
    assert "Not measured yet" not in document
    promises = document.partition("<!-- promises: begin -->\n")[2].partition("<!-- promises: end -->")[0]
    assert len(promises.splitlines()) == 2 + 18 + bool(parts["older"]["runs"])

    for watched in parts["course"]["watched"]:
        assert sum(watched["by_tenth"]) == watched["run"]["requests"]
        assert watched["run"]["most_in_3s"] <= watched["limit"]
    for name in (plots.SHARE, plots.MEMORY):
        drawn = ElementTree.parse(tmp_path / "images" / name)
        assert drawn.findall(".//{*}polyline")
