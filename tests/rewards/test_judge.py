"""A judge as a reward: what it says is what its probabilities say, in any batch, from a folder or behind a server."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Choice, ChoiceRequest, Messages, Unanswered, assistant, user
from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams
from constitutional.builtin.rewards.build import build
from constitutional.builtin.rewards.expression import Expression
from constitutional.builtin.rewards.judge import Court, drawn
from constitutional.builtin.rewards.wiring import ScoringParams, seen, wired
from constitutional.prompts import load
from tests.backends import tiny
from tests.remote.server import serving
from tests.stages_support import constitution, principle

BOOK = constitution(principle("kind", rule="Be kind.", weight=3.0), principle("safe", rule="Be safe."))
DIALOGUES: list[Messages] = [(user(ask), assistant(say)) for ask in ("hi", "why so") for say in ("no", "yes, my dear")]


def render(template: str, **values: object) -> Messages:
    """A shorter question than that in the box: the tiny model reads 128 characters."""
    assert set(values) == set(load(template).inputs)
    return (user(f"{values['transcript']}>{values['response']}|{values['principle']['rule']}"),)  # type: ignore[index]


def judge(model: Path | None, **written: Any) -> Any:
    expression = Expression.model_validate({"judge": {"min_mass": 0.0, **written}})
    court = Court(None if model is None else str(model), BOOK, "score/rlaif", render)
    return build(expression, {}, batch=3, court=court)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "judge", spread=0.4)


def by_hand(model: Path, dialogue: Messages, rule: str) -> float:
    """The mean of the scores by their shares, from the backend's own log-probabilities."""

    async def ask() -> Any:
        backend = TransformersBackend(TransformersParams(model=str(model)))
        await backend.open()
        shown = (user(f"User: {dialogue[0].content}>{dialogue[1].content}|{rule}"),)
        return await backend.choose([ChoiceRequest(shown, tuple(str(i) for i in range(1, 11)))])

    (said,) = asyncio.run(ask())
    shares = [math.exp(value) for value in said.logprobs]
    mean = sum(score * share for score, share in zip(range(1, 11), shares, strict=True)) / sum(shares)
    return (mean - 5.5) / 4.5


def test_the_reward_is_the_expected_score_from_minus_one_to_one(model: Path) -> None:
    found = [one.value for one in judge(model, rule="Be kind.").score(DIALOGUES)]
    assert found == pytest.approx([by_hand(model, one, "Be kind.") for one in DIALOGUES], abs=1e-4)
    assert len(set(found)) == len(found)
    assert all(-1 <= value <= 1 for value in found)


def test_principles_are_averaged_by_weight(model: Path) -> None:
    (found,) = judge(model, principles="all").score(DIALOGUES[:1])
    kind, safe = (by_hand(model, DIALOGUES[0], rule) for rule in ("Be kind.", "Be safe."))
    assert found.value == pytest.approx((3 * kind + safe) / 4, abs=1e-4)


def test_the_batch_changes_no_score_and_the_model_is_loaded_once(model: Path) -> None:
    court = Court(str(model), BOOK, "score/rlaif", render)
    written = [
        {"of": {"judge": {"min_mass": 0.0}}, "weight": 0.5},
        {"of": {"judge": {"min_mass": 0.0, "rule": "Be."}}, "weight": 0.5},
    ]
    scorer: Any = build(Expression.model_validate({"weighted": written}), {}, court=court)
    parts = list(scorer._parts.values())
    assert parts[0]._asker is parts[1]._asker
    together = [one.value for one in scorer.score(DIALOGUES)]
    alone = [scorer.score([one])[0].value for one in DIALOGUES]
    assert together == pytest.approx(alone, abs=1e-4)


def test_what_cannot_be_read_has_no_score(model: Path) -> None:
    found = judge(model, min_mass=1.0).score([*DIALOGUES[:1], (user("x"),), (user("x"), assistant(" ")),
                                              (user("x" * 200), assistant("y"))])  # fmt: skip
    assert [one.value for one in found] == [None] * 4
    assert [one.reason for one in found] == ["judge: low-mass", "empty", "empty", "judge: prompt-too-long"]


def test_answers_to_one_prompt_meet_the_same_principles_and_prompts_meet_them_by_weight() -> None:
    met: Counter[str] = Counter()
    for i in range(2000):
        (first,) = drawn(BOOK.principles, 1, (user(f"question {i}"),))
        assert list(drawn(BOOK.principles, 1, (user(f"question {i}"),))) == [first]
        met[first.id] += 1
    assert met["kind"] / 2000 == pytest.approx(0.75, abs=0.04)
    assert len(drawn(BOOK.principles, 9, (user("q"),))) == 2


# -- behind a server ---------------------------------------------------------------------------------------------------------


def test_a_server_is_asked_again_and_its_probabilities_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "secret-of-the-test")
    shares = {"8": math.log(0.5), "4": math.log(0.25), "maybe": math.log(0.25)}
    with serving(lambda text, attempt: "503" if attempt == 0 else None, options=shares) as server:
        written = {"model": "m", "base_url": server.url, "api_key_env": "JUDGE_KEY"}
        scorer = judge(None, rule="Be kind.", high=9, server=written)
        found = scorer.score(DIALOGUES[:2]), scorer.score(DIALOGUES[2:3])
    assert server.faults == {"503": 3}
    assert all("Bearer secret-of-the-test" in head for head in server.headers)
    assert server.bodies[0]["top_logprobs"] == 20
    # 8 has two thirds, and 4 one; unlisted scores get the least that was listed, 0.25 each
    numbers = dict.fromkeys(range(1, 10), 0.25) | {8: 0.5}
    mean = sum(score * p for score, p in numbers.items()) / sum(numbers.values())
    assert [one.value for part in found for one in part] == pytest.approx([(mean - 5) / 4] * 3, abs=1e-6)


def test_a_server_that_says_no_number_gives_no_score() -> None:
    with serving(options={"maybe": -0.1, "yes": -2.0}) as server:
        found = judge(None, rule="Be.", high=9, server={"model": "m", "base_url": server.url}).score(DIALOGUES[:1])
    assert found == [(None, "judge: no-option")]


# -- in a stage --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reward", "ports", "words"),
    [
        ({"judge": {}}, {}, "none is connected"),
        ({"rules": {"max_words": 3}}, {"judge": ()}, "asks none"),
        ({"judge": {"server": {"model": "m", "base_url": "http://x"}}}, {"judge": ()}, "asks none"),
        ({"weighted": {"a": 1.0}}, {"rewards": ("a",), "judge": ()}, "asks none"),
    ],
)
def test_a_judge_that_is_not_asked_and_one_that_is_not_there_are_mistakes(reward: Any, ports: Any, words: str) -> None:
    (found,) = wired(ScoringParams(reward=Expression.model_validate(reward)), ports)
    assert words in found


def test_a_stage_sees_the_principles_of_its_judges() -> None:
    written = {"hybrid": {"alpha": 0.5, "helpful": {"judge": {"rule": "Help."}}, "harmless": {"judge": {}}}}
    assert [p.id for p in seen(ScoringParams(reward=Expression.model_validate(written)), BOOK)] == ["kind", "safe"]
    assert seen(ScoringParams(), BOOK) == []


def test_a_choice_is_never_made_up() -> None:
    """Where several principles are asked for and one is not answered, the dialogue has no score."""
    from constitutional.builtin.rewards.expression import Judge
    from constitutional.builtin.rewards.judge import JudgeScorer

    class Half:
        def choose(self, requests: Any) -> Any:
            return [Choice((0.0,) + (-50.0,) * 9), Unanswered("timeout")][: len(requests)]

    scorer = JudgeScorer(Judge(principles="all"), Half(), BOOK.principles, "score/rlaif", render)  # type: ignore[arg-type]
    assert scorer.score(DIALOGUES[:1]) == [(None, "judge: timeout")]
