"""The scripted backend: answers by rule, a function of the request and its seed alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import ChoiceRequest, Request, Unanswered, UserError, assistant, user
from constitutional.builtin.backends.scripted import Rule, ScriptedBackend, ScriptedParams
from tests.backends.conftest import choose, generate


def backend(*rules: dict[str, Any], **params: Any) -> ScriptedBackend:
    return ScriptedBackend(ScriptedParams(rules=tuple(Rule(**rule) for rule in rules), **params))


def ask(text: str, seed: int = 0) -> Request:
    return Request((user(text),), seed=seed)


def test_the_first_rule_that_fits_answers() -> None:
    made = backend({"when": "hel+o", "say": "hi"}, {"when": "hello", "say": "never"}, {"say": "what?"})
    assert [found.text for found in generate(made, [ask("well hello"), ask("bye")])] == ["hi", "what?"]


def test_rules_look_at_the_last_turn_alone() -> None:
    request = Request((user("hello"), assistant("hi"), user("bye")))
    assert generate(backend({"when": "hello", "say": "a"}, {"say": "b"}), [request])[0].text == "b"


def test_the_last_message_can_be_said_again_and_is_no_template() -> None:
    assert generate(backend({"say": "<{last}>"}), [ask("{last} {0} %s \\1")])[0].text == "<{last} {0} %s \\1>"


def test_one_of_several_answers_is_taken_by_seed_where_it_is_sampled() -> None:
    made = backend({"say": ["a", "b", "c"]})
    sampled = [replace(ask("x", seed), temperature=1.0) for seed in range(40)]
    texts = [generate(made, [request])[0].text for request in sampled]
    assert set(texts) == {"a", "b", "c"}
    assert texts == [found.text for found in generate(made, sampled)]


def test_without_sampling_the_dialogue_alone_decides() -> None:
    """What the journal keeps for a question has no seed then: whoever asks first must not matter."""
    made = backend({"say": ["a", "b", "c"]})
    assert len({found.text for found in generate(made, [ask("x", seed) for seed in range(40)])}) == 1
    assert {found.text for found in generate(made, [ask(f"x {n}") for n in range(40)])} == {"a", "b", "c"}


def test_no_rule_and_a_rule_without_answer_are_unanswered() -> None:
    silent, none = generate(backend({"when": "shh", "unanswered": "busy"}), [ask("shh"), ask("hello")])
    assert isinstance(silent, Unanswered)
    assert silent.reason == "busy"
    assert none.reason == "no-rule"
    assert (
        choose(backend({"when": "shh", "unanswered": "busy"}), [ChoiceRequest((user("shh"),), ("A", "B"))])[0].reason
        == "busy"
    )


def test_options_share_what_is_left() -> None:
    found = choose(backend({"choose": {"A": 0.7}}), [ChoiceRequest((user("x"),), ("A", "B", "C"))])[0]
    assert [math.exp(value) for value in found.logprobs] == pytest.approx([0.7, 0.15, 0.15])


def test_rules_from_a_file_come_after_those_of_the_spec_and_count_in_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps([{"say": "from the file"}]))
    made = backend({"when": "hello", "say": "hi"}, file=path)
    assert [found.text for found in generate(made, [ask("hello"), ask("bye")])] == ["hi", "from the file"]
    path.write_text(json.dumps([{"say": "another"}]))
    assert backend({"when": "hello", "say": "hi"}, file=path).identity() != made.identity()


@pytest.mark.parametrize("content", ["{", "3", '{"say": "x"}', '[{"sya": "x"}]', "[3]", "[" * 100_000], ids=str.__len__)
def test_a_file_that_holds_no_rules_is_an_error_of_the_user(tmp_path: Path, content: str) -> None:
    (tmp_path / "rules.json").write_text(content)
    with pytest.raises(UserError, match=r"rules\.json"):
        backend(file=tmp_path / "rules.json").identity()


def test_a_rule_that_is_no_regular_expression_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="regular expression"):
        Rule(when="(")
