"""What is asked again, and what is not: counted at the model."""

import json
from typing import ClassVar

import pytest

from constitutional.cli.opening import open_spec
from constitutional.engine.run import run
from constitutional.errors import UserError
from constitutional.plan.redo import redo
from constitutional.store.folder import Store

COUNTER = """
from typing import ClassVar
from constitutional.api import Backend, BackendParams, Capability, Completion, Cosmetic, Unanswered, hookimpl
from typing import Annotated
import pathlib

class CountParams(BackendParams):
    model: str = "m"
    log: Annotated[str, Cosmetic()] = ""
    at_once: Annotated[int, Cosmetic()] = 8

class Count(Backend):
    name, version, Params, gives = "count", 1, CountParams, Capability.TEXT

    @property
    def batch_size(self):
        return self.params.at_once

    async def generate(self, batch):
        with open(self.params.log, "a") as file:
            for request in batch:
                file.write(request.messages[-1].content.splitlines()[-1] + "\\n")
        bad = pathlib.Path(self.params.log + ".bad").exists()
        return [Unanswered("refused") if bad and "7" in r.messages[-1].content else
                Completion("It is rude." if "Critique request" in r.messages[-1].content else "an answer " + str(r.seed)[:3],
                           "length" if "5" in r.messages[-1].content else "stop", 1, 1) for r in batch]

    def identity(self):
        return {"model": self.params.model}

@hookimpl
def constitutional_backends():
    return [Count]
"""
SPEC = """
constitutional: 1
name: twice
constitution: rules.yaml
plugins: [./counter.py]
models:
  m: {backend: counter/count, log: LOG}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  draft: {generator: sample, model: m, prompts: prompts}
  critique: {critic: principle, model: m, responses: draft}
limits: {max_failures: 0.9}
"""
RULES = """
constitution: 1
name: rules
principles:
  - {id: kind, critique: Critique request of kindness., rule: Be kind.}
  - {id: useful, critique: Critique request of use., rule: Be useful.}
"""
ROWS = 10


class World:
    """A spec in a folder, and how often its model was asked."""

    changes: ClassVar[dict[str, str]] = {}

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log.txt"
        (folder / "prompts.jsonl").write_text(
            "".join(json.dumps({"prompt": f"question {i}"}) + "\n" for i in range(ROWS))
        )
        (folder / "rules.yaml").write_text(RULES)
        (folder / "counter.py").write_text(COUNTER)
        self.spec = folder / "spec.yaml"
        self.write()

    def write(self, *changes):
        text = SPEC.replace("LOG", str(self.log))
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.spec.write_text(text)

    def asked(self, *sets, again=(), root="runs"):
        """Run, and return what the model was asked meanwhile."""
        self.log.write_text("")
        (opened,) = open_spec(self.spec, sets)
        store = Store(self.folder / root)
        try:
            wanted = redo(opened.plan, store.artifacts, again)
            assert run(opened.plan, opened.registry, store, say=lambda said: None, redo=wanted).status == "finished"
        finally:
            store.close()
        return self.log.read_text().splitlines()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    assert len(made.asked()) == 2 * ROWS
    return made


@pytest.mark.parametrize("changes", [
    [("LOG", "LOG")], [("draft", "first"), ("responses: draft", "responses: first")][:1], [("name: twice", "name: other")],
    [("log: ", "at_once: 3, log: ")], [("max_failures: 0.9", "max_failures: 0.5, rows_in_flight: 2")],
])  # fmt: skip
def test_what_decides_nothing_asks_nothing(world, changes):
    if changes != [("LOG", "LOG")]:
        world.write(*changes)
    assert world.asked() == []


def test_the_order_of_stages_and_the_path_ask_nothing(world, tmp_path):
    text = world.spec.read_text()
    draft, critique = (
        next(line for line in text.splitlines() if line.startswith(f"  {name}:")) for name in ("draft", "critique")
    )
    world.spec.write_text(text.replace(draft, "X").replace(critique, draft).replace("X", critique))
    assert world.asked() == []
    world.spec = world.spec.rename(tmp_path / "renamed.yaml")
    assert world.asked() == []


def test_a_temperature_or_a_model_asks_all_that_it_decides(world):
    world.write(("prompts: prompts}", "prompts: prompts, with: {temperature: 0.5}}"))
    assert len([line for line in world.asked() if line.startswith("question")]) == ROWS
    world.write(("log: ", "model: other, log: "))
    assert len(world.asked()) == 2 * ROWS


def test_a_principle_asks_only_for_the_rows_that_drew_it(world):
    rules = world.folder / "rules.yaml"
    first = world.log.read_text()
    kind = first.count("of kindness")
    rules.write_text(RULES.replace("of kindness.", "of great kindness."))
    asked = world.asked()
    assert len(asked) == kind
    assert all("great kindness" in line for line in asked)


def test_redo_of_a_stage_asks_its_calls_once_more_and_no_others(world):
    asked = world.asked(again=["critique"])
    assert len(asked) == ROWS
    assert not any(line.startswith("question") for line in asked)
    assert world.asked() == []


def test_redo_of_what_was_cut_asks_only_for_that(world):
    asked = world.asked(again=["truncated"])
    assert asked == ["question 5"]


def test_redo_of_what_failed_asks_only_for_that(world, tmp_path):
    bad = tmp_path / "log.txt.bad"
    bad.touch()
    assert len(world.asked(root="other")) == 2 * ROWS - 1
    assert world.asked(root="other") == []
    bad.unlink()
    asked = world.asked(root="other", again=["failed"])
    assert len(asked) == 2
    assert "question 7" in asked


def test_an_unknown_step_is_said_with_the_nearest(world):
    with pytest.raises(UserError, match="no step `critiqe`") as caught:
        world.asked(again=["critiqe"])
    assert "critique" in (caught.value.help or "")
