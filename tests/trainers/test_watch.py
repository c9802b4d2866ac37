"""A watch over reinforcement learning: figures by hand, alarms, stops, and the weights that are kept."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.api import Prompt, StepFailed, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Scored
from constitutional.builtin.rewards.rules import Rules, RuleScorer
from constitutional.builtin.trainers.group import GroupTrainer
from constitutional.builtin.trainers.grpo import GrpoTrainer
from constitutional.builtin.trainers.online_dpo import OnlineDpoTrainer
from constitutional.builtin.trainers.ppo import PpoTrainer
from constitutional.builtin.trainers.rloo import RlooTrainer
from constitutional.builtin.trainers.watch.judge import Judge
from constitutional.builtin.trainers.watch.measurement import LOOKS, Measurement, rise
from constitutional.builtin.trainers.watch.observer import Models, Observer, Rewards
from constitutional.builtin.trainers.watch.params import StopWhen, Watch
from constitutional.builtin.trainers.watch.watching import Watching, merged
from tests.trainers import bandit
from tests.trainers.support import contents, train

GOLD = {"rules": {"lacks": ["c"]}}


@pytest.fixture(scope="session")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bandit.save(tmp_path_factory.mktemp("bandit") / "policy")


def held_out(count: int = 8) -> list[Prompt]:
    words = bandit.WORDS
    return [Prompt(row_id=f"h{i}", prompt=(user(f"{words[i % 8]} {words[(i + 3) % 8]} {words[(i + 5) % 8]}"),))
            for i in range(count)]  # fmt: skip


def ppo(watch: dict[str, Any] | None, **params: Any) -> PpoTrainer:
    usual = {"reward": {"rules": {"starts_with": ["c"]}}, "learning_rate": 1e-2, "batch_size": 32, "rollout_batch": 64,
             "iterations": 12, "ppo_epochs": 2, "max_new_tokens": 1, "max_length": 32, "scheduler": "constant", "warmup": 0,
             "kl_coefficient": 0.01, "watch": watch}  # fmt: skip
    return PpoTrainer(PpoTrainer.Params.model_validate({**usual, **params}))


def online(watch: dict[str, Any] | None, **params: Any) -> OnlineDpoTrainer:
    usual = {"reward": {"rules": {"starts_with": ["c"]}}, "learning_rate": 1e-2, "batch_size": 16, "group_size": 4, "iterations": 9,
             "max_new_tokens": 1, "max_length": 32, "scheduler": "constant", "warmup": 0, "watch": watch}  # fmt: skip
    return OnlineDpoTrainer(OnlineDpoTrainer.Params.model_validate({**usual, **params}))


def group(trainer: type[GroupTrainer], watch: dict[str, Any] | None, **params: Any) -> GroupTrainer:
    usual = {"reward": {"rules": {"starts_with": ["c"]}}, "learning_rate": 2e-2, "batch_size": 64, "group_size": 8,
             "max_steps": 9, "kl_coefficient": 0.01, "max_new_tokens": 1, "max_length": 32, "scheduler": "constant", "warmup": 0,
             "watch": watch}  # fmt: skip
    return trainer(trainer.Params.model_validate({**usual, **params}))


def log(done: Any) -> list[dict[str, float]]:
    return [json.loads(line) for line in (done.folder / "training_log.jsonl").read_text().splitlines()]


def weights(done: Any) -> str:
    return next(digest for name, digest in contents(done.folder).items() if name.endswith(".safetensors"))


# -- figures by hand -------------------------------------------------------------------------------------------------------


class ByAnswer:
    """Scores an answer by a table; others have no score."""

    def __init__(self, **table: float) -> None:
        self.table = table

    def score(self, dialogues: Any) -> list[Scored]:
        found = [self.table.get(dialogue[-1].content) for dialogue in dialogues]
        return [Scored(value, "" if value is not None else "not in the table") for value in found]


def observer(policy: Any, reference: Any, folder: Path, prompts: list[Prompt], rewards: Rewards, tokens: int, temperature: float) -> Observer:  # fmt: skip
    from transformers import AutoTokenizer

    encoder = DialogueEncoder(AutoTokenizer.from_pretrained(folder))
    asked = [(row, encoder.encode(row.prompt)) for row in prompts]
    end = encoder.tokenizer.eos_token_id
    models = Models(policy, lambda ids, last: reference(input_ids=ids, logits_to_keep=last).logits)
    return Observer(
        models, encoder, encoder.tokenizer.pad_token_id, frozenset([end]), asked, rewards, tokens, temperature, 3
    )


def test_divergence_and_entropy_are_those_of_the_distributions(arms: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    other = bandit.save(tmp_path / "other", seed=4)
    policy, reference = (AutoModelForCausalLM.from_pretrained(place).eval() for place in (arms, other))
    policy.train()
    eye = observer(policy, reference, arms, held_out(2), Rewards(RuleScorer(Rules(max_words=1))), 1, 0.5)
    before = torch.random.get_rng_state()
    found = eye.measure(5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert policy.training
    for index, (_, ids) in enumerate(eye.prompts):
        with torch.no_grad():
            p, q = (
                torch.softmax(m(torch.tensor([ids])).logits[0, -1].double() / 0.5, -1).tolist()
                for m in (policy, reference)
            )
        kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert kl > 0.01
        assert found.columns["kl"][index] == pytest.approx(kl, rel=1e-4)
        assert found.columns["entropy"][index] == pytest.approx(-sum(a * math.log(a) for a in p), rel=1e-4)
    assert found.columns["length"] == (1.0, 1.0)
    line = found.line(0)
    assert line["held_out_sqrt_kl"] == pytest.approx(math.sqrt(found.mean("kl") or 0))
    assert line["held_out_n"] == 2


def test_the_divergence_of_an_answer_is_the_sum_over_its_tokens(arms: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    other = bandit.save(tmp_path / "other", seed=4)
    policy, reference = (AutoModelForCausalLM.from_pretrained(place).eval() for place in (arms, other))
    eye = observer(policy, reference, arms, held_out(4), Rewards(RuleScorer(Rules(max_words=1))), 6, 1.0)
    found = eye.measure(0)
    rows, _ = eye._answers()
    assert [len(row.made) for row in rows] == list(found.columns["length"])
    for index, row in enumerate(rows):
        total = 0.0
        for place in range(len(row.made)):
            ids = torch.tensor([[*eye.prompts[index][1], *row.made[:place]]])
            with torch.no_grad():
                p, q = (torch.softmax(m(ids).logits[0, -1].double(), -1).tolist() for m in (policy, reference))
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert found.columns["kl"][index] == pytest.approx(total, rel=1e-3)


def test_scores_that_are_missing_stay_missing_and_members_disagree_by_their_deviation(arms: Path) -> None:
    from transformers import AutoModelForCausalLM

    policy = AutoModelForCausalLM.from_pretrained(arms).eval()
    every = dict.fromkeys((*bandit.WORDS, "", "<unk>", "<user>", "<assistant>"), 1.0)
    some = dict(list(every.items())[:4])
    triple = {word: 3 * value for word, value in every.items()}
    rewards = Rewards(ByAnswer(**every), ByAnswer(**some), [[ByAnswer(**every), ByAnswer(**triple)]])
    eye = observer(policy, policy, arms, held_out(12), rewards, 1, 1.0)
    found = eye.measure(0)
    said = eye._answers()[1]
    assert found.columns["proxy"] == (1.0,) * 12
    assert found.columns["gold"] == tuple(some.get(text) for text in said)
    assert 0 < len(found.scored("gold")) < 12
    assert found.columns["disagreement"] == (1.0,) * 12
    figure = found.figure("gold", 0)
    assert (figure["n"], figure["unscored"]) == (len(found.scored("gold")), 12 - len(found.scored("gold")))
    assert found.line(0)["held_out_gold_unscored"] == figure["unscored"]


# -- what a series of measurements says ------------------------------------------------------------------------------------


def seen(step: int, *, gold: Sequence[float | None] = (), n: int = 8, **means: float) -> Measurement:
    """A measurement whose prompts are all alike but for the gold reward."""
    usual = {"kl": 0.0, "entropy": 2.0, "length": 10.0, "ended": 1.0, "repetition": 0.0, "proxy": 0.0} | dict.fromkeys(
        LOOKS, 0.0
    )
    columns = {name: (value,) * n for name, value in {**usual, **means}.items()}
    return Measurement(step, {**columns, **({"gold": tuple(gold)} if gold else {})})


LIMITS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"kl_above": 5}, {"kl": 6.0}, "6 nats an answer"),
    ({"length_above": 1.5}, {"length": 16.0}, "1.60 times as long"),
    ({"repetition_above": 0.2}, {"repetition": 0.25}, "25% of the word triples"),
    ({"entropy_below": 0.5}, {"entropy": 0.25}, "0.25 nats"),
    ({"format_drifts": 0.2}, {"bold": 0.5}, "with bold went from 0% to 50%"),
    ({"disagreement_above": 0.5}, {"disagreement": 0.75}, "deviation of 0.75"),
    ({"gold_drops": 0.1}, {"gold": (0.75,) * 8}, "0.15 below its best, at step 0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "then", "said"), LIMITS, ids=lambda value: next(iter(value)) if isinstance(value, dict) else ""
)
def test_each_limit_stops_beyond_it_and_not_at_it(limit: dict[str, Any], then: dict[str, Any], said: str) -> None:
    judge = Judge(Watch(stop_when=StopWhen.model_validate(limit)), 0)
    assert judge.read(seen(0, gold=(0.9,) * 8)) == []
    (alarm,) = [one for one in judge.read(seen(10, **{"gold": (0.9,) * 8, **then})) if one.stops]
    assert alarm.step == 10
    assert alarm.name == next(iter(limit))
    assert said in alarm.said
    name, value = next(iter(then.items()))
    if name not in ("gold", "bold", "length"):
        calm = Judge(Watch(stop_when=StopWhen.model_validate({next(iter(limit)): value})), 0)
        calm.read(seen(0))
        assert not [one for one in calm.read(seen(10, **then)) if one.stops]


def test_patience_counts_measurements_in_a_row() -> None:
    judge = Judge(Watch(stop_when=StopWhen(kl_above=1), patience=2), 0)
    found = [[alarm.stops for alarm in judge.read(seen(step, kl=kl))] for step, kl in enumerate([0, 2, 0, 2, 3])]
    assert found == [[], [False], [], [False], [True]]


def test_the_best_is_the_highest_gold_within_the_limits_and_the_first_of_equals() -> None:
    judge = Judge(Watch(stop_when=StopWhen(kl_above=10), patience=5), 0)
    for step, (gold, kl) in enumerate([(0.5, 0), (0.7, 1), (0.7, 2), (0.9, 11), (0.6, 3)]):
        judge.read(seen(step, gold=(gold,) * 8, kl=float(kl)))
    assert judge.best is not None
    assert judge.best.step == 1


def test_a_change_is_taken_over_prompts_that_are_scored_in_both() -> None:
    one = seen(0, gold=(1.0, None, 0.0, 0.0), n=4)
    assert rise(seen(1, gold=(1.0, 1.0, 0.5, None), n=4), one, "gold") == pytest.approx(0.25)
    assert rise(seen(1, gold=(None, 1.0, None, 1.0), n=4), one, "gold") is None


def test_a_proxy_that_rises_while_gold_falls_is_told_even_without_limits() -> None:
    judge = Judge(Watch(), 0)
    judge.read(seen(0, gold=[0.8, 0.7, 0.9, 0.8] * 2))
    assert judge.read(seen(1, gold=[0.8, 0.7, 0.9, 0.8] * 2, proxy=1.0)) == []
    (alarm,) = judge.read(seen(2, gold=[0.5, 0.4, 0.7, 0.5] * 2, proxy=1.0))
    assert (alarm.name, alarm.stops) == ("over_optimised", False)
    assert "being gamed" in alarm.said
    assert judge.read(seen(3, gold=[0.5, 0.4, 0.7, 0.5] * 2, proxy=1.0)) == []


# -- on disk ---------------------------------------------------------------------------------------------------------------


class Script:
    """Measures what it is told to, and moves the weight to the number of the step."""

    def __init__(self, golds: dict[int, float]) -> None:
        self.golds = golds
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def measure(self, step: int) -> Measurement:
        with torch.no_grad():
            self.weight.fill_(float(step))
        return seen(step, gold=(self.golds[step],) * 8)


GOLDS = {0: 0.1, 2: 0.5, 4: 0.9, 6: 0.95, 8: 0.2}


def watching(script: Script, folder: Path, **watch: Any) -> Watching:
    said = Watch.model_validate({"gold": GOLD, "every": 2, **watch})
    return Watching(said, script, {"w": script.weight}, folder, 0)


def test_the_best_weights_come_back(tmp_path: Path) -> None:
    script = Script(GOLDS)
    watched = watching(script, tmp_path)
    watched.begin(0)
    for step in range(1, 9):
        if watched.due(step, 8):
            watched.look(step)
    watched.finish()
    assert script.weight.tolist() == [6.0]
    assert watched.figures()["kept_step"] == 6
    assert watched.figures()["kept"]["gold"]["value"] == 0.95
    assert [line["held_out_gold"] for line in watched.lines("step")] == pytest.approx(list(GOLDS.values()))


def test_keep_last_leaves_the_weights_and_writes_none(tmp_path: Path) -> None:
    script = Script(GOLDS)
    watched = watching(script, tmp_path, keep="last")
    watched.begin(0)
    for step in (2, 4, 6, 8):
        watched.look(step)
    watched.finish()
    assert script.weight.tolist() == [8.0]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_kill_after_the_last_checkpoint_loses_neither_the_curve_nor_the_weights_that_were_best_then(
    tmp_path: Path,
) -> None:
    first = watching(Script(GOLDS), tmp_path)
    first.begin(0)
    first.look(2)
    first.checkpointed()
    first.look(4)
    first.look(6)
    with (tmp_path / "watch" / "curve.jsonl").open("a") as file:
        file.write('{"step": 8, "colu')
    script = Script({**GOLDS, 4: 0.3, 6: 0.3})
    again = watching(script, tmp_path)
    assert again.begin(2) == {}
    assert [line["step"] for line in again.lines("step")] == [0, 2]
    for step in (4, 6, 8):
        again.look(step)
    again.finish()
    assert script.weight.tolist() == [2.0]
    assert again.figures()["kept_step"] == 2


def test_weights_that_nobody_needs_are_cleared(tmp_path: Path) -> None:
    steps = dict.fromkeys(range(0, 40, 2), 0.0) | {step: step / 100 for step in range(0, 40, 2)}
    watched = watching(Script(steps), tmp_path)
    watched.begin(0)
    for step in range(2, 40, 2):
        watched.look(step)
        if step % 4 == 0:
            watched.checkpointed()
    assert len(list((tmp_path / "watch").glob("best-*"))) <= 3


def test_lines_of_a_watch_stand_behind_those_of_the_same_step() -> None:
    both = merged([{"step": 1, "a": 1}, {"step": 2, "a": 2}], [{"step": 0.0}, {"step": 1.0}], "step")
    assert [(line["step"], "a" in line) for line in both] == [(0, False), (1, True), (1, False), (2, True)]


# -- trainers under watch --------------------------------------------------------------------------------------------------


def test_ppo_stops_at_a_limit_says_so_and_keeps_the_best(arms: Path, tmp_path: Path) -> None:
    watch = {"gold": GOLD, "every": 2, "stop_when": {"gold_drops": 0.4}}
    done = train(ppo(watch), tmp_path / "watched", arms, prompts=bandit.prompts(), held_out=held_out())
    figures = done.figures["watch"]
    assert figures["stopped_step"] == figures["last_step"] < 12
    assert "below its best" in figures["stopped_because"]
    assert done.figures["iterations"] == figures["last_step"]
    assert figures["last"]["proxy"]["value"] > figures["start"]["proxy"]["value"]
    assert figures["kept"]["gold"]["value"] - figures["last"]["gold"]["value"] >= 0.4
    assert any("stopped" in told.get("notice", "") for _, _, told in done.context.told)
    curve = [line for line in log(done) if "held_out_gold" in line]
    assert [line["iteration"] for line in curve] == list(range(0, figures["last_step"] + 1, 2))
    assert curve[0]["held_out_kl"] == pytest.approx(0, abs=1e-6)
    kept = figures["kept_step"]
    assert kept < figures["last_step"]
    if kept:
        same = train(ppo(None, iterations=kept), tmp_path / "plain", arms, prompts=bandit.prompts())
        assert weights(done) == weights(same)


@pytest.mark.parametrize("trainer", ["ppo", "online-dpo", "grpo", "rloo"])
def test_a_watch_changes_nothing_that_is_learned(trainer: str, arms: Path, tmp_path: Path) -> None:
    def stage(watch: dict[str, Any] | None) -> Any:
        if trainer == "ppo":
            return ppo(watch, iterations=3)
        if trainer == "online-dpo":
            return online(watch, iterations=3)
        return group({"grpo": GrpoTrainer, "rloo": RlooTrainer}[trainer], watch, max_steps=3)

    plain = train(stage(None), tmp_path / "plain", arms, prompts=bandit.prompts())
    watch = {"gold": GOLD, "every": 1, "keep": "last"}
    watched = train(stage(watch), tmp_path / "watched", arms, prompts=bandit.prompts(), held_out=held_out())
    assert weights(plain) == weights(watched)
    assert watched.figures["watch"]["measured"] == 4
    assert [line for line in log(watched) if "held_out_kl" not in line] == log(plain)


@pytest.mark.parametrize(
    "params", [{}, {"lora": {"r": 4}}, {"kl_coefficient": 0.0}], ids=["whole", "lora", "no reference"]
)
def test_a_group_trainer_stops_and_keeps_the_best(params: dict[str, Any], arms: Path, tmp_path: Path) -> None:
    watch = {"gold": GOLD, "every": 1, "stop_when": {"kl_above": 0.05}}
    done = train(
        group(RlooTrainer, watch, **params), tmp_path / "run", arms, prompts=bandit.prompts(), held_out=held_out()
    )
    figures = done.figures["watch"]
    assert figures["stopped_step"] is not None
    assert done.figures["steps"] == figures["stopped_step"] < 9
    assert figures["start"]["kl"]["value"] == pytest.approx(0, abs=1e-5)
    assert figures["last"]["kl"]["value"] > 0.05 >= figures["kept"]["kl"]["value"]


@pytest.mark.parametrize("trainer", ["ppo", "online-dpo", "rloo"])
def test_a_training_that_is_killed_after_it_stopped_stops_there_again(trainer: str, arms: Path, tmp_path: Path) -> None:
    watch = {"gold": GOLD, "every": 1, "stop_when": {"kl_above": 0.05}, "keep": "last"}
    make = {"ppo": ppo, "online-dpo": online, "rloo": lambda watch, **more: group(RlooTrainer, watch, **more)}[trainer]
    stage = make(watch, checkpoint_every=1)
    first = train(stage, tmp_path / "run", arms, prompts=bandit.prompts(), held_out=held_out())
    expected = contents(first.folder)
    shutil.rmtree(first.folder)
    again = train(stage, tmp_path / "run", arms, prompts=bandit.prompts(), held_out=held_out())
    assert again.figures["watch"]["stopped_step"] == first.figures["watch"]["stopped_step"]
    assert contents(again.folder) == expected


def test_prompts_that_are_learned_from_are_not_held_out(arms: Path, tmp_path: Path) -> None:
    done = train(ppo({"every": 9}, iterations=1), tmp_path / "a", arms, prompts=bandit.prompts(),
                 held_out=[*bandit.prompts(), *held_out(3)])  # fmt: skip
    assert done.figures["watch"]["start"]["kl"]["n"] == 3
    with pytest.raises(StepFailed, match="learned from"):
        train(ppo({}), tmp_path / "b", arms, prompts=bandit.prompts(), held_out=bandit.prompts())


@pytest.mark.parametrize(
    ("params", "ports", "said"),
    [
        ({"watch": {}}, {}, "connect `held_out: NAME`"),
        ({"watch": {"stop_when": {"gold_drops": 0.1}}}, {"held_out": ()}, "needs `watch.gold`"),
        ({"watch": {"keep": "best"}}, {"held_out": ()}, "`watch.keep: best` needs `watch.gold`"),
        ({"watch": {"gold": {"rules": {"starts_with": ["c"]}}}}, {"held_out": ()}, "is the reward that is learned from"),
        ({"watch": {"gold": "judge"}}, {"held_out": ()}, "`watch.gold` names `judge`, which is not connected"),
        ({"watch": {"stop_when": {"disagreement_above": 1}}}, {"held_out": ()}, "needs an `ensemble`"),
        ({"watch": {"gold": GOLD}}, {"held_out": (), "rewards": ("a",)}, "`a` is connected but the reward does not use it"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_anything_runs(params: dict[str, Any], ports: dict[str, Any], said: str) -> None:
    stage = ppo(params["watch"])
    assert any(said in one for one in PpoTrainer.wired(stage.params, ports)), list(
        PpoTrainer.wired(stage.params, ports)
    )


def test_models_that_only_the_gold_reward_names_are_not_learned_from() -> None:
    from constitutional.builtin.rewards.wiring import meant

    params = ppo({"gold": "judge"}, reward=None).params
    assert meant(params, ["helpful", "judge"], params.watch.gold) == "helpful"
    assert list(PpoTrainer.wired(params, {"held_out": (), "rewards": ("helpful", "judge")})) == []
