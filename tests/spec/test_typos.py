"""Two hundred one-letter typos: each is an error, and nearly each is understood."""

from __future__ import annotations

import random
import re
from pathlib import Path

from constitutional.errors import SpecError
from constitutional.spec.check import load_checked
from tests.spec.fixtures import FOLDER
from tests.spec.toy import registry

KEYS = (
    "constitutional",
    "name",
    "seed",
    "constitution",
    "models",
    "backend",
    "model",
    "base_url_env",
    "api_key_env",
    "data",
    "source",
    "path",
    "stages",
    "transform",
    "rows",
    "with",
    "parts",
    "generator",
    "prompts",
    "temperature",
    "max_new_tokens",
    "repeat",
    "from",
    "critic",
    "responses",
    "reviser",
    "critiques",
    "trainer",
    "demonstrations",
    "epochs",
    "learning_rate",
    "labeller",
    "pairs",
    "principles",
    "orders",
    "debiaser",
    "votes",
    "preferences",
    "beta",
    "evaluator",
    "require",
    "max",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz_"


def typo(word: str, random: random.Random) -> str:
    """One letter lost, doubled, changed or swapped with its neighbour."""
    while True:
        at = random.randrange(len(word))
        kind = random.choice(("lose", "add", "change", "swap"))
        if kind == "lose":
            made = word[:at] + word[at + 1 :]
        elif kind == "add":
            made = word[:at] + random.choice(LETTERS) + word[at:]
        elif kind == "change":
            made = word[:at] + random.choice(LETTERS) + word[at + 1 :]
        else:
            made = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
        if made != word and re.fullmatch("[a-z][a-z_]*", made) and made not in KEYS and made != "min":
            return made


def test_two_hundred_typos(tmp_path: Path) -> None:
    dice = random.Random(17)
    text = (FOLDER / "data" / "good.yaml").read_text()
    for name in ("attacks.jsonl", "everyday.jsonl", "held_out.jsonl", "constitution.yaml"):
        (tmp_path / name).write_text((FOLDER / "data" / name).read_text())
    path = tmp_path / "spec.yaml"
    understood, missed = 0, []
    for number in range(200):
        key = KEYS[number % len(KEYS)]
        places = [found.start(1) for found in re.finditer(rf"(?:^|[{{ ,])({key}):", text, re.MULTILINE)]
        at = dice.choice(places)
        wrong = typo(key, dice)
        path.write_text(text[:at] + wrong + text[at + len(key) :])
        line, column = text[:at].count("\n") + 1, at - text[:at].rfind("\n")
        try:
            load_checked(path, registry(), environ={"JUDGE_URL": "", "JUDGE_KEY": ""})
        except SpecError as error:
            here = [d for d in error.diagnostics if (d.span.line, d.span.column) == (line, column)]
            said = f"{[d.label for d in here]} {[d.help for d in here]}"
            if here and f"`{key}`" in said:
                understood += 1
            else:
                missed.append((key, wrong, [str(d) for d in error.diagnostics]))
        else:
            raise AssertionError(f"{wrong} for {key} was taken")
    assert understood >= 190, missed
