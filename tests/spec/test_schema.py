"""The schema for editors: it accepts what the checker accepts, and finds what can be found without names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from constitutional import stage
from constitutional.parameters import Params
from constitutional.spec.schema import modeline, schema
from constitutional.spec.stages import KINDS
from constitutional.spec.text import Source
from constitutional.spec.yamltree import parse, plain
from tests.spec.fixtures import FOLDER
from tests.spec.toy import registry


class Limits(Params):
    max_failures: float = 0.1


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    made = schema(registry(), Limits)
    jsonschema.Draft7Validator.check_schema(made)
    return jsonschema.Draft7Validator(json.loads(json.dumps(made)))


def values(name: str) -> Any:
    path = FOLDER / name
    node, _ = parse(Source(name, path.read_text(), FOLDER))
    assert node is not None
    return plain(node)


def test_accepts_a_whole_pipeline(validator: Any) -> None:
    assert [e.message for e in validator.iter_errors(values("data/good.yaml"))] == []


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key",
        "unknown-parameter",
        "parameter",
        "parameter-literal",
        "parameter-range",
        "missing-input",
        "missing-parameter",
        "unknown-implementation",
        "unknown-implementation-backend",
        "unknown-input-typo",
        "no-kind",
        "wrong-arity",
        "wrong-arity-both",
        "bad-reference",
        "wrong-shape",
        "unknown-key-group",
        "missing-key-from",
        "bad-name",
        "unknown-parameter-secret",
        "parameter-executor",
        "wrong-shape-threshold",
    ],
)
def test_finds_what_needs_no_names(validator: Any, name: str) -> None:
    assert list(validator.iter_errors(values(f"{name}.yaml")))


@pytest.mark.parametrize("name", ["missing-env-value", "unknown-name", "cycle", "wrong-type"])
def test_is_silent_about_names_types_and_the_environment(validator: Any, name: str) -> None:
    assert [e.message for e in validator.iter_errors(values(f"{name}.yaml"))] == []


def test_a_number_may_come_from_the_environment(validator: Any) -> None:
    spec = values("data/good.yaml")
    spec["stages"]["draft"]["with"]["temperature"] = "${env:TEMPERATURE}"
    assert validator.is_valid(spec)
    spec["stages"]["draft"]["with"]["temperature"] = "hot"
    assert not validator.is_valid(spec)


def test_kinds_are_those_of_the_contract() -> None:
    assert KINDS == stage.KINDS


def test_limits_are_those_of_the_engine(validator: Any) -> None:
    assert not validator.is_valid({"constitutional": 1, "limits": {"max_failure": 0.1}})


def test_says_nothing_that_draft_7_has_not() -> None:
    text = json.dumps(schema(registry()))
    assert "$defs" not in text
    assert "prefixItems" not in text


def test_the_modeline_is_a_comment() -> None:
    assert modeline() == "# yaml-language-server: $schema=.constitutional/schema.json"
