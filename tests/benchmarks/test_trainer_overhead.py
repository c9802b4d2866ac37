"""Each trainer beside a bare script: both take the same steps and, where they should, have the same losses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.trainer_overhead import growth, sizes
from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.cases import CASES
from benchmarks.trainer_overhead.compare import figures, table, verdict
from benchmarks.trainer_overhead.setting import Seen, Setting
from constitutional.builtin.backends.loading import resolve

AGENT = Path(resolve("builtin:support-agent"))


def both(name: str, setting: Setting, folder: Path, count: int = 16) -> tuple[Seen, Seen]:
    case = CASES[name]
    rows = case.rows(count, 6)
    return case.ours(setting, rows, folder / "ours"), case.bare(setting, rows, folder / "bare")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(str(sizes.save("tiny", tmp_path_factory.mktemp("models") / "tiny", AGENT)), epochs=2, batch_size=4)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.differs])
def test_losses_are_the_same_where_the_training_is(name: str, tiny: Setting, tmp_path: Path) -> None:
    ours, bare = both(name, tiny, tmp_path)
    assert len(ours.losses) == len(bare.losses) > 2
    assert ours.losses == pytest.approx(bare.losses, abs=1e-4)
    assert ours.sampled == bare.sampled
    assert ours.rewards == (None if bare.rewards is None else pytest.approx(bare.rewards))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.differs])
def test_others_take_as_many_steps(name: str, tiny: Setting, tmp_path: Path) -> None:
    ours, bare = both(name, tiny, tmp_path)
    assert len(ours.losses) == len(bare.losses) > 0


@pytest.mark.parametrize("defaults", [False, True], ids=["as ours", "as TRL likes it"])
def test_packing_and_attention_reach_both_sides(defaults: bool, tiny: Setting, tmp_path: Path) -> None:
    setting = replace(tiny, epochs=1, packing=True, attention="sdpa", defaults=defaults, max_length=128)
    ours, bare = both("sft", setting, tmp_path, count=32)
    assert (len(ours.losses) == len(bare.losses)) is not defaults


def test_records_say_what_the_plain_rows_say() -> None:
    for port, rows in (("demonstrations", data.demonstrations(3, 4)), ("preferences", data.preferences(3, 4)),
                       ("scores", data.scores(3, 4)), ("step_labels", data.step_labels(3, 4))):  # fmt: skip
        for record, row in zip(data.records(port, rows), rows, strict=True):
            assert [turn.to_json() for turn in record.prompt] == row["prompt"]
            for name in row.keys() - {"prompt"}:
                value = getattr(record, name)
                assert (list(value) if isinstance(value, tuple) else value) == row[name]


def test_operations_a_token_are_six_a_parameter_and_what_attention_takes(tiny: Setting) -> None:
    hidden, inner, layers, _, _, vocabulary = sizes.SHAPES["tiny"]
    attention = 2 * hidden * hidden + 2 * hidden * hidden // 2 + hidden + 2 * hidden // 2
    parameters = vocabulary * hidden + layers * (attention + 3 * hidden * inner + 2 * hidden) + hidden
    expected = 6 * parameters + 12 * layers * hidden * 100
    assert sizes.flops_a_token(Path(tiny.model), 6, 100) == expected


def run(steps: int, seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "cpu_seconds": 2 * seconds, "around_cpu_seconds": 0.25, "losses": [1.0] * steps}


def test_what_a_step_costs_is_told_from_what_every_training_costs() -> None:
    ours = growth.of_side([run(8, 9.0), run(8, 2.8)], [run(24, 6.0)])
    bare = growth.of_side([run(8, 2.1)], [run(24, 5.3), run(24, 7.0)])
    assert ours["seconds_a_step"] == bare["seconds_a_step"] == pytest.approx(0.2)
    assert ours["fixed_cpu_seconds"] == pytest.approx(2.4)
    said = growth.compared(ours, bare, 1.03)
    assert said["ratio_a_step"] == said["cpu_ratio_a_step"] == 1
    assert said["fixed_seconds_more"] == pytest.approx(0.7)
    assert said["longer_cpu_ratio"] == pytest.approx(6.0 / 5.3, abs=1e-3)
    assert said["cpu_within_a_step"]


@given(st.floats(0.001, 10), st.floats(0, 100), st.integers(1, 100), st.integers(1, 100))
def test_growth_is_found_again(step: float, fixed: float, few: int, more: int) -> None:
    found = growth.growth((few, fixed + step * few), (few + more, fixed + step * (few + more)))
    assert found == pytest.approx((step, fixed), abs=1e-6)


def test_two_trainings_of_one_length_say_nothing_of_a_step() -> None:
    with pytest.raises(ValueError, match="both trainings have 3 steps"):
        growth.growth((3, 1.0), (3, 2.0))


class Side:
    def __init__(self, seconds: float) -> None:
        self.about = {"texts": 100, "rows": 10}
        self.runs = [{"seconds": seconds, "cpu_seconds": seconds, "losses": [2.0, 1.0], "sampled": None, "rewards": None,
                      "memory_mb": 512.0, "accelerator_mb": None}]  # fmt: skip


def test_the_ratio_is_of_the_times_and_losses_are_compared_step_by_step(tiny: Setting) -> None:
    said: dict[str, Any] = {"trainer": "sft", "script": "a script"}
    sides = {"ours": Side(2.1), "bare": Side(2.0)}
    said |= {name: figures(side, tiny, 6) for name, side in sides.items()}
    said["ours"] |= growth.of_side([run(2, 2.1)], [run(6, 6.1)])
    said["bare"] |= growth.of_side([run(2, 2.0)], [run(6, 6.0)])
    said |= growth.compared(said["ours"], said["bare"], 1.03)
    said |= verdict(said, sides["ours"].runs[0], {**sides["bare"].runs[0], "losses": [2.0, 1.25]}, "")
    assert said["ratio"] == 1.05
    assert not said["within"]
    assert said["largest_difference_of_losses"] == 0.25
    assert said["bare"]["tokens_per_second"] == 100
    assert json.loads(json.dumps(said)) == said
    assert (
        "| `sft` | a script | 2.10 | 2.00 | 1.05 | 1.05 | 1.02 | 1.00 | +0.20 | 0.25 / 0.25; 0.25 / 0.25 | 2 | 0.25 | 512 | 512 | 95 | 100 |"
        in table([said])
    )
