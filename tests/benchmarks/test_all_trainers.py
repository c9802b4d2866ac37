"""The common task of all trainers: specs without mistakes, recorded answers said again, figures shown as they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from benchmarks.all_trainers import showing
from benchmarks.all_trainers.recorded import Recorded, RecordedParams
from constitutional.api import Completion, Request, Unanswered, user
from constitutional.builtin import STAGES
from constitutional.cli.opening import open_spec

SPECS = Path(showing.__file__).parent
ONLINE = any((one.kind, one.name) == ("trainer", "online-dpo") for one in STAGES)


def answers(folder: Path) -> Path:
    place = folder / "answers.jsonl"
    place.write_text(json.dumps({"prompt": [{"role": "user", "content": "hi"}], "completion": "Hello."}) + "\n")
    return place


@pytest.mark.parametrize("name", ["train", "best", "result", "sweep", pytest.param(
    "online-dpo", marks=pytest.mark.skipif(not ONLINE, reason="there is no such trainer"))])  # fmt: skip
def test_the_specs_have_no_mistakes(name: str, tmp_path: Path) -> None:
    sets = [f"models.best_of_n.answers={answers(tmp_path)}"] if name in ("result", "online-dpo") else []
    (opened,) = open_spec(SPECS / f"{name}.yaml", sets)
    assert opened.plan.steps


def test_all_start_alike_and_what_learns_is_what_is_judged() -> None:
    train, result, sweep = (
        yaml.safe_load((SPECS / f"{name}.yaml").read_text()) for name in ("train", "result", "sweep")
    )
    policies = {name: stage for name, stage in train["stages"].items()
                if stage.get("trainer") not in (None, "reward", "process-reward")}  # fmt: skip
    assert {stage["model"] for stage in policies.values()} == {"agent"}
    assert {stage["preferences"] for stage in policies.values() if "preferences" in stage} == {"labels"}
    prompts = [stage["prompts"] for stage in policies.values() if "prompts" in stage]
    assert prompts == [["tempting.learn", "daily.learn"]] * 4
    for models in (result["stages"]["result"], result["stages"]["far"], sweep["stages"]["result"]):
        assert set(policies) == set(models["models"]) - {"start", "best_of_n"}


def test_what_was_recorded_is_said_again_and_nothing_else(tmp_path: Path) -> None:
    backend = Recorded(RecordedParams(answers=answers(tmp_path)))
    asyncio.run(backend.open())
    known, unknown = asyncio.run(backend.generate([Request((user("hi"),)), Request((user("ho"),))]))
    assert known == Completion("Hello.")
    assert isinstance(unknown, Unanswered)


def figure(value: float | None, n: int = 20, unscored: int = 0) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.1, value + 0.1)
    return {"value": value, "low": ends[0], "high": ends[1], "n": n, "unscored": unscored}


def model(unsafe: float | None, **more: Any) -> dict[str, Any]:
    return {"unsafe_rate": figure(unsafe, unscored=3), "over_refusal": figure(0.1), "win_rate": figure(0.5),
            "mean_words": figure(14.2), "oracle": {"unsafe": 0.4}, **more}  # fmt: skip


FOUND = {
    "models": {
        "start": model(0.7), "best_of_n": model(0.5, kl_bound=1.2), "sft": model(0.2, kl=figure(3.0), minutes=1.26),
        "dpo_ipo": model(None, kl=figure(None)), "ppo": model(0.2, kl=figure(3.05), minutes=2.0),
    },
    "labels": {"coverage": figure(0.31, 300)}, "rates_from_a_sweep": False, "small": True, "minutes_in_all": 12.4,
    "machine": {"cpus": 2, "torch": "2.13"},
}  # fmt: skip


def test_the_table_has_every_model_with_its_intervals() -> None:
    lines = showing.table(FOUND).splitlines()
    assert len({line.count(" | ") for line in lines}) == 1
    assert len(lines) == 2 + 5
    assert "| `sft` | 0.20 [0.10, 0.30] | 0.40 |" in lines[4]
    assert "3.00 [2.90, 3.10] | 1.3 |" in lines[4]
    assert "at most 1.20 | - |" in lines[3]
    assert lines[5].startswith("| `dpo`, `ipo` | - |")


def test_a_page_is_written_anew_between_its_marks_and_the_same_twice() -> None:
    page = f"before\n{showing.BEGIN}\nold\n{showing.END}\nafter\n"
    once = showing.on_page(page, FOUND)
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "15 verdicts of all models are unscored" in once
    assert "not a result" in once
    assert showing.on_page(once, FOUND) == once
    with pytest.raises(ValueError, match="the page has no"):
        showing.on_page("nothing", FOUND)


def test_the_picture_has_a_point_for_all_that_can_be_placed_and_no_name_on_another() -> None:
    root = ElementTree.fromstring(showing.picture(FOUND))
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags.count("circle") == 4
    names = {e.text: float(e.get("y", "0")) for e in root.iter() if e.text in ("sft", "ppo")}
    assert abs(names["sft"] - names["ppo"]) >= showing.APART
