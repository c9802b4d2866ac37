"""MT-Bench's human votes (Zheng et al. 2023), where its data lie beside the checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitutional.audit.figures import report
from constitutional.audit.labels import Label
from constitutional.audit.sample import Item, Key
from constitutional.audit.verdicts import Judged

DATA = next(
    (
        at / "shared" / "data" / "mt_bench"
        for at in Path(__file__).resolve().parents
        if (at / "shared" / "data").is_dir()
    ),
    None,
)

pytestmark = pytest.mark.skipif(DATA is None, reason="no data beside the checkout")


def votes(name):
    """(question, turn, the two models in order of their names) -> who said which of the two is better."""
    assert DATA is not None
    found = {}
    for line in (DATA / name).read_text().splitlines():
        row = json.loads(line)
        first, second = sorted((row["model_a"], row["model_b"]))
        won = row.get(row["winner"])
        said = "tie" if won is None else "A" if won == first else "B"
        found.setdefault((row["question_id"], row["turn"], first, second), {}).setdefault(row["judge"], said)
    return found


@pytest.mark.parametrize(("turn", "judge", "people"), [(1, 0.859, 0.820), (2, 0.853, 0.834)])
def test_agreement_without_ties_is_the_published(turn, judge, people):
    """Published: 85 and 85 % with GPT-4, 81 and 82 % among people, in turns 1 and 2."""
    human, model = votes("human.jsonl"), votes("gpt4_pair.jsonl")
    judged = []
    for at, said in human.items():
        verdict = model.get(at, {}).get("gpt4_pair")
        if at[1] == turn and verdict is not None:
            p_first = {"A": 0.9, "B": 0.1, "tie": 0.5}[verdict]
            item = Item(str(at), Label(str(at), "all", (), at[2], at[3], p_first, "gpt-4"), "?", True, 1.0)
            judged += [Judged(item, who, one) for who, one in said.items()]
    key = Key(tuple({one.item.id: one.item for one in judged}.values()), "mt-bench", "pairs", 0, len(human), 0)
    found = report(key, judged)["all"]
    assert found["judge_with_people"]["without_ties"]["value"] == pytest.approx(judge, abs=0.001)
    assert found["people"]["without_ties"]["value"] == pytest.approx(people, abs=0.001)
    assert 0.3 < found["people"]["alpha"]["value"] < 0.8
