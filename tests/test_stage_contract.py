"""What every stage in the box must be, whatever it does: the contract that strangers' stages are held to as well."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import constitutional
from constitutional.api import Artifact, Record, RowStage, Stage, SurveyStage, WholeStage
from constitutional.builtin.critics import CRITICS
from constitutional.builtin.debiasers import DEBIASERS
from constitutional.builtin.evaluators import EVALUATORS
from constitutional.builtin.generators import GENERATORS
from constitutional.builtin.labellers import LABELLERS
from constitutional.builtin.revisers import REVISERS
from constitutional.builtin.trainers import TRAINERS
from constitutional.builtin.transforms import TRANSFORMS
from constitutional.parameters import Template, describe, marked
from constitutional.prompts import load
from constitutional.stage import KINDS

OFFERS = {
    "generator": GENERATORS, "critic": CRITICS, "reviser": REVISERS, "labeller": LABELLERS, "debiaser": DEBIASERS,
    "evaluator": EVALUATORS, "transform": TRANSFORMS, "trainer": TRAINERS,
}  # fmt: skip
FOLDERS = {kind: [one.load() for one in offers] for kind, offers in OFFERS.items()}
STAGES: list[type[Stage]] = [stage for stages in FOLDERS.values() for stage in stages]
NEEDED = {
    "parts": {"a": 0.5}, "weights": [1.0], "file": __file__, "checks": [{"check": "length", "most": 9}],
    "steps": ["position-swap"],
}  # fmt: skip
BUILTIN = Path(constitutional.__file__).parent / "builtin"

each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"{stage.kind}/{stage.name}")


def params(stage: type[Stage]) -> object:
    needed = {name: NEEDED[name] for name, field in stage.Params.model_fields.items() if field.is_required()}
    return stage.Params.model_validate(needed)


@each_stage
def test_it_says_what_it_is(stage: type[Stage]) -> None:
    assert stage.kind in KINDS
    assert stage in FOLDERS[stage.kind]
    assert stage.name == stage.name.lower()
    assert stage.version >= 1
    assert issubclass(stage, (RowStage, WholeStage, SurveyStage))
    assert (stage.__doc__ or "").strip()


@each_stage
def test_every_parameter_has_a_meaning(stage: type[Stage]) -> None:
    describe()
    for name, field in stage.Params.model_fields.items():
        assert field.description, f"{stage.name}.{name}"
        assert field.description.strip().endswith((".", ")", "`"))
    assert stage.Params.model_json_schema()


@each_stage
def test_unknown_parameters_are_errors(stage: type[Stage]) -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        stage.Params.model_validate({"no_such_parameter": 1})


@each_stage
def test_what_flows_is_known_before_anything_runs(stage: type[Stage]) -> None:
    given = params(stage)
    gives = stage.gives(given)
    assert gives
    assert all(issubclass(flow, (Record, Artifact)) for flow in gives.values())
    assert any(issubclass(port.type, Record) for port in stage.takes.values())
    assert all(isinstance(name, str) for name in stage.figures(given))
    assert all(isinstance(said, str) for said in stage.check(given))


@each_stage
def test_its_templates_are_there(stage: type[Stage]) -> None:
    given = params(stage)
    for name in marked(stage.Params, Template):
        assert load(getattr(given, name)).inputs


def test_no_two_have_one_name() -> None:
    assert len({(stage.kind, stage.name) for stage in STAGES}) == len(STAGES)


def test_listing_stages_loads_nothing_heavy() -> None:
    """Numbers and tensors are for those who run a stage."""
    folders = ", ".join(f"constitutional.builtin.{kind}s" for kind in FOLDERS)
    heavy = "{'numpy', 'scipy', 'torch', 'transformers', 'trl', 'datasets', 'pyarrow', 'networkx'}"
    code = f"import sys, {folders}; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(p for kind in FOLDERS for p in (BUILTIN / f"{kind}s").glob("*.py")), ids=str)
def test_stages_know_the_public_door_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("constitutional"):
            assert node.module == "constitutional.api" or (node.module or "").startswith("constitutional.builtin"), (
                node.module
            )
