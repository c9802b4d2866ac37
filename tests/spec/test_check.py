"""What the planner gets of a good spec, and that no spec whatever gives more than diagnostics."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from constitutional.errors import SpecError
from constitutional.ports import MAIN, PolicyModel
from constitutional.records import Critique, Prompt, Response
from constitutional.spec.check import check, checked, examine, load, load_cells, load_checked
from constitutional.spec.codes import CODES
from constitutional.spec.model import Form
from constitutional.spec.render import render
from constitutional.spec.show import show
from tests.spec.fixtures import FOLDER
from tests.spec.specs import ENVIRON, HEAD, codes, look, write
from tests.spec.toy import registry

GOOD = FOLDER / "data" / "good.yaml"


def test_a_good_spec_has_nothing_wrong() -> None:
    assert check(load(GOOD), registry(), ENVIRON) == []


def test_stages_come_flat_and_in_an_order_in_which_they_can_run() -> None:
    stages = look(GOOD).stages
    assert list(stages) == [
        "prompts",
        "draft",
        "improve.1.critique",
        "improve.1.revise",
        "improve.2.critique",
        "improve.2.revise",
        "sl_cai",
        "pairs",
        "votes",
        "labels",
        "rl_cai",
        "result",
    ]


def test_outputs_and_edges_are_typed() -> None:
    stages = look(GOOD).stages
    assert stages["prompts"].gives == {"supervised": Prompt, "preference": Prompt}
    assert stages["improve.1.critique"].gives == {MAIN: Critique}
    (edge,) = stages["draft"].inputs["prompts"]
    assert (edge.target, edge.output, edge.flow, edge.label) == ("prompts", "supervised", Prompt, None)
    demonstrations = stages["sl_cai"].inputs["demonstrations"]
    assert [(e.target, e.flow) for e in demonstrations] == [("improve.2.revise", Response), ("everyday", Prompt)]
    assert [(e.label, e.target) for e in stages["result"].inputs["models"]] == [
        ("start", "agent"),
        ("sl_cai", "sl_cai"),
        ("rl_cai", "rl_cai"),
    ]


def test_models_know_what_they_began_as() -> None:
    found = look(GOOD)
    assert found.stages["rl_cai"].base_model == {"model": "agent"}
    assert found.stages["result"].base_model == dict.fromkeys(
        ("models.start", "models.sl_cai", "models.rl_cai"), "agent"
    )
    assert found.stages["pairs"].inputs["model"][0].flow is PolicyModel


def test_parameters_are_validated_and_paths_absolute() -> None:
    found = look(GOOD)
    assert found.stages["sl_cai"].params.model_dump()["learning_rate"] == 1e-5
    assert found.data["attacks"].params.model_dump()["path"] == (FOLDER / "data" / "attacks.jsonl").resolve()
    assert found.constitution is not None
    assert found.constitution.groups.keys() == {"manners", "truth"}


def test_values_of_the_environment_reach_parameters_and_nothing_that_is_shown(tmp_path: Path) -> None:
    text = HEAD.replace("builtin:support-agent", '"${env:MODEL}"')
    path = write(tmp_path, text + "  draft: {generator: sample, model: agent, prompts: rows}\n")
    found = load_checked(path, registry(), environ={"MODEL": "tiny"})
    assert found.models["agent"].params.model_dump()["model"] == "tiny"
    assert "tiny" not in show(found.spec)
    assert "${env:MODEL}" in show(found.spec)


def test_names_of_variables_stay_names() -> None:
    found = look(GOOD)
    assert found.models["judge"].params.model_dump()["api_key_env"] == "JUDGE_KEY"
    assert "secret" not in show(found.spec)


def test_the_spec_keeps_how_ports_were_written() -> None:
    spec = load(GOOD)
    ports = spec.stages["result"].ports  # type: ignore[union-attr]
    assert ports["models"].form is Form.MAPPING
    assert list(ports["models"].labelled) == ["start", "sl_cai", "rl_cai"]
    assert ports["prompts"].form is Form.ONE
    assert str(ports["prompts"].refs[0].span).endswith("good.yaml:46:14")


def test_examine_gives_what_could_be_found_out_beside_what_is_wrong(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEAD + "  one: {generator: sample, model: agent, prompts: rows}\n"
        "  two: {generator: sample, model: agent, prompts: row}\n",
    )
    found = examine(load(path), registry())
    assert [d.code for d in found.diagnostics] == ["unknown-name"]
    assert not found.ok
    assert list(found.stages) == ["one"]
    with pytest.raises(SpecError):
        checked(load(path), registry())


def test_mistakes_of_structure_and_of_meaning_come_together(tmp_path: Path) -> None:
    path = write(tmp_path, "sead: 1\n" + HEAD + "  one: {generator: sample, model: agent, prompts: row}\n")
    assert codes(path) == ["unknown-key", "unknown-name"]


def test_a_stage_that_cannot_be_read_makes_no_further_mistakes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEAD + "  one: {model: agent, prompts: rows}\n  two: {critic: principle, model: agent, responses: one}\n",
    )
    assert codes(path) == ["no-kind", "no-constitution"]


def test_a_plugin_that_fails_is_blamed_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEAD + "  one: {generator: acme/a, model: agent, prompts: rows}\n"
        "  two: {generator: acme/b, model: agent, prompts: rows}\n",
    )
    assert codes(path) == ["plugin"]


def test_mistakes_of_the_constitution_are_shown_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("constitution: 1\nprinciples:\n  - {id: a}\n")
    path = write(
        tmp_path, "constitution: c.yaml\n" + HEAD + "  one: {generator: sample, model: agent, prompts: rows}\n"
    )
    with pytest.raises(SpecError) as caught:
        look(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.source.name, found.span.line) == ("missing-text", str(tmp_path / "c.yaml"), 3)


def test_a_long_chain_in_reverse_order_is_checked_quickly(tmp_path: Path) -> None:
    lines = [f"  s{i}: {{generator: sample, model: agent, prompts: s{i + 1}}}\n" for i in range(1500)]
    path = write(tmp_path, HEAD + "".join(lines) + "  s1500: {generator: sample, model: agent, prompts: rows}\n")
    assert len(look(path).stages) == 1501


def test_every_circle_is_reported_once(tmp_path: Path) -> None:
    lines = "".join(
        f"  {a}: {{generator: sample, model: agent, prompts: {b}}}\n" for a, b in ("ab", "bc", "ca", "de", "ed", "fa")
    )
    path = write(tmp_path, HEAD + lines)
    with pytest.raises(SpecError) as caught:
        look(path)
    assert [d.message for d in caught.value.diagnostics] == [
        "Stages wait for one another: a -> b -> c -> a",
        "Stages wait for one another: d -> e -> d",
    ]


def test_cells_of_a_whole_matrix_are_specs(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEAD + "  one: {generator: sample, model: agent, prompts: rows, with: {temperature: 1}}\n"
        "matrix: {stages.one.with.temperature: [0.5, 1.0], seed: [1, 2]}\n",
    )
    cells = load_cells(path)
    assert list(cells) == [
        "temperature=0.5,seed=1",
        "temperature=0.5,seed=2",
        "temperature=1.0,seed=1",
        "temperature=1.0,seed=2",
    ]
    assert cells["temperature=0.5,seed=2"].seed == 2
    assert checked(cells["temperature=1.0,seed=1"], registry()).stages["one"].params.model_dump()["temperature"] == 1.0
    assert load(path).matrix.keys() == {"stages.one.with.temperature", "seed"}
    assert list(load_cells(GOOD)) == [""]


def test_mutilated_specs_give_diagnostics_and_nothing_else() -> None:
    """Lines lost, swapped and cut, letters changed: 300 times."""
    dice = random.Random(4)
    lines = GOOD.read_text().split("\n")
    here = GOOD.parent / "mutilated.tmp.yml"
    found: set[str] = set()
    try:
        for _ in range(300):
            text = list(lines)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(text))
                line = text[at]
                cut = dice.randrange(len(line) + 1)
                letter = dice.choice("{}[]:,&*!|>'\"#%@`-? \tax0\u20ac")
                text[at] = dice.choice(
                    [line[:cut], line[cut:], line[:cut] + letter + line[cut:], "", text[at - 1], "  " + line]
                )
            here.write_text("\n".join(text))
            try:
                load_checked(here, registry(), environ=ENVIRON)
            except SpecError as error:
                found.update(d.code for d in error.diagnostics)
                render(error.diagnostics)
    finally:
        here.unlink()
    assert len(found) > 10
    assert found <= set(CODES)


def test_reading_imports_nothing_heavy() -> None:
    heavy = "pydantic", "networkx", "torch", "jinja2", "pluggy", "constitutional.plugins"
    code = "import sys, constitutional.spec.read, constitutional.spec.extend; "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


LOCAL = """
from constitutional.api import Capability, Ask, Response, Critique, RowStage, StageParams, hookimpl

class Loud(RowStage[Response, Critique]):
    kind, name, version = "critic", "loud", 1
    asks = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        volume: int = 1

    async def process(self, row, ctx):
        return []

@hookimpl
def constitutional_stages():
    return [Loud]
"""


def test_a_plugin_may_be_a_file_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOCAL)
    text = "plugins: [./mine.py]\n" + HEAD + "  draft: {generator: sample, model: agent, prompts: rows}\n"
    text += "  crit: {critic: mine/loud, model: agent, responses: draft, with: {volume: 11}}\n"
    found = look(write(tmp_path, text))
    assert found.stages["crit"].stage.path == "mine/loud"
    assert codes(write(tmp_path, text.replace("mine/loud", "mine/load"))) == ["unknown-implementation"]
    assert codes(write(tmp_path, text.replace("volume", "volme"))) == ["unknown-parameter"]


def test_limits_are_looked_at_if_their_model_is_given(tmp_path: Path) -> None:
    from tests.spec.test_schema import Limits

    text = "limits: {max_failures: '${env:MOST}'}\n" + HEAD + "  d: {generator: sample, model: agent, prompts: rows}\n"
    found = load_checked(write(tmp_path, text), registry(), environ={"MOST": "0.5"}, limits=Limits)
    assert found.limits == Limits(max_failures=0.5)
    with pytest.raises(SpecError) as caught:
        load_checked(
            write(tmp_path, text.replace("max_failures", "most")), registry(), environ={"MOST": ""}, limits=Limits
        )
    assert [d.code for d in caught.value.diagnostics] == ["unknown-parameter"]


def test_one_model_or_several_by_label(tmp_path: Path) -> None:
    """A port that may take another's place: either is enough, neither is not."""
    head = HEAD + "  pairs: {generator: pair, model: agent, prompts: rows}\n"
    line = "  votes: {{labeller: multiple-choice, pairs: pairs{}}}\n"
    one = look(write(tmp_path, head + line.format(", model: agent")))
    several = look(write(tmp_path, head + line.format(", models: {a: agent, b: agent}")))
    assert one.stages["votes"].base_model == {"model": "agent"}
    assert several.stages["votes"].base_model == {"models.a": "agent", "models.b": "agent"}
    assert codes(write(tmp_path, head + line.format(""))) == ["missing-input"]
    assert codes(write(tmp_path, head + line.format(", model: agent, models: {a: agent}"))) == ["wrong-arity"]


def test_a_constitution_taken_for_a_spec_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text("constitution: 1\nname: book\nprinciples:\n  - {id: kind, rule: Be kind.}\n")
    with pytest.raises(SpecError) as mistaken:
        load(path)
    (found,) = mistaken.value.diagnostics
    assert found.code == "wrong-shape"
    assert "This is a constitution" in found.message
    assert found.help is not None
    assert "constitutional lint" in found.help


def test_a_misspelt_budget_is_a_mistake_of_the_budget(tmp_path: Path) -> None:
    from constitutional.engine.limits import Limits

    path = write(
        tmp_path, HEAD.replace("stages:", "budget: {dolars: 3}\nstages:") + "  few: {transform: sample, rows: rows}\n"
    )
    found = examine(load(path), registry(), ENVIRON, limits=Limits).diagnostics
    assert [one.message for one in found if one.code == "unknown-parameter"] == ["`budget` has no parameter `dolars`"]
