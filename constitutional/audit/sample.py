"""A stratified sample of labels, blind to what the judge said; and the key that undoes the blinding.

The sheet that people get holds a question, a prompt and two answers as A and B.  Which answer is A is drawn for each row;
rows are in an order of chance; an id is a digest that says nothing.  What the judge said stands in the key alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from constitutional.audit.labels import Label
from constitutional.errors import DataError, UserError
from constitutional.ids import digest, row_random
from constitutional.records import messages, to_json, transcript

FORMAT: Final = 1
Allocation: TypeAlias = Literal["proportional", "equal"]
NO_PRINCIPLE: Final = "Which answer is better?"


@dataclass(frozen=True, slots=True)
class Item:
    """One label in the sample.  `a_first`: answer A is the pair's first.  `weight`: labels that it stands for, one in the mean."""

    id: str
    label: Label
    question: str
    a_first: bool
    weight: float

    @property
    def answers(self) -> tuple[str, str]:
        """A and B."""
        first, second = self.label.first, self.label.second
        return (first, second) if self.a_first else (second, first)

    def sheet(self) -> dict[str, str]:
        """What people see: nothing here depends on what the judge said."""
        a, b = self.answers
        return {"id": self.id, "question": self.question, "prompt": transcript(self.label.prompt), "A": a, "B": b,
                "verdict": ""}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """The sample with what the judge said, and where it came from."""

    items: tuple[Item, ...]
    run: str
    step: str
    seed: int
    #: Labels that there were, and pairs with a principle for which no vote could be used.
    population: int
    unlabelled: int

    def __getitem__(self, id: str) -> Item:
        return {item.id: item for item in self.items}[id]


def draw(labels: Sequence[Label], n: int, seed: int, questions: Mapping[str, str], allocation: Allocation = "proportional",
         *, run: str = "", step: str = "", unlabelled: int = 0) -> Key:  # fmt: skip
    """A sample of `n` labels, or all where there are fewer, from every stratum: a principle and a band of confidence.

    `proportional` gives each stratum its share, `equal` each the same (so that rare ones are seen); each gets one at
    least, as long as `n` allows.  Who is drawn depends on the seed and the label alone.

    Raises:
        UserError: if there are no labels.
    """
    if not labels:
        raise UserError(
            "there are no labels to sample", help="run the spec first; pairs that were dropped have no label"
        )
    strata: dict[str, list[Label]] = {}
    for label in sorted(labels, key=lambda one: _lot(seed, "draw", one)):
        strata.setdefault(label.stratum, []).append(label)
    sizes = {name: len(strata[name]) for name in sorted(strata)}
    shares = allocate(sizes, min(n, len(labels)), allocation)
    drawn = sum(shares.values())
    items = [
        Item(_lot(seed, "id", label)[:12], label, questions.get(label.principle, NO_PRINCIPLE), _a_first(seed, label),
             sizes[name] / shares[name] * drawn / len(labels))
        for name in shares for label in strata[name][: shares[name]]
    ]  # fmt: skip
    items.sort(key=lambda item: _lot(seed, "order", item.label))
    return Key(tuple(items), run, step, seed, len(labels), unlabelled)


def allocate(sizes: Mapping[str, int], n: int, how: Allocation) -> dict[str, int]:
    """How many of each stratum to draw, `n` in all and never more than there are; strata that get none are left out.

    One each, the largest strata first where `n` is too small; then whoever is farthest below its share gets the next.
    """
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    drawn = dict.fromkeys(order[:n], 1)
    total = sum(sizes.values())
    wanted = {name: n * sizes[name] / total if how == "proportional" else n / len(sizes) for name in drawn}
    for _ in range(n - len(drawn)):
        open_ = [name for name in drawn if drawn[name] < sizes[name]]
        lacking = max(open_, key=lambda name: (wanted[name] - drawn[name], -order.index(name)))
        drawn[lacking] += 1
    return {name: drawn[name] for name in sizes if name in drawn}


def _lot(seed: int, purpose: str, label: Label) -> str:
    return digest(["audit", purpose, seed, label.pair, label.principle])


def _a_first(seed: int, label: Label) -> bool:
    return row_random(seed, f"audit/order/{label.principle}", label.pair).random() < 0.5


# -- the key's file --------------------------------------------------------------------------------------------------


def key_json(key: Key) -> str:
    """The key as text: everything that import needs, so that the run may be gone by then."""
    items = [
        {"id": item.id, "pair": item.label.pair, "principle": item.label.principle, "prompt": to_json(item.label.prompt),
         "first": item.label.first, "second": item.label.second, "p_first": item.label.p_first,
         "judge": item.label.judge, "question": item.question, "a_first": item.a_first, "weight": item.weight}
        for item in key.items
    ]  # fmt: skip
    said = {"audit": FORMAT, "run": key.run, "step": key.step, "seed": key.seed, "population": key.population,
            "unlabelled": key.unlabelled, "items": items}  # fmt: skip
    return json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_key(path: Path) -> Key:
    """Read back what `key_json` wrote.

    Raises:
        DataError: if the file cannot be read, or is no key.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["audit"] != FORMAT:
            raise DataError(f"{path} was written by another version", help="draw the sample again")
        items = tuple(_item(one) for one in said["items"])
        seed, population, unlabelled = (int(said[name]) for name in ("seed", "population", "unlabelled"))
        return Key(items, str(said["run"]), str(said["step"]), seed, population, unlabelled)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is not the key of a sample: {error!r:.120}", help="`audit sample` writes it"
        ) from error


def _item(said: Mapping[str, Any]) -> Item:
    p_first, weight = float(said["p_first"]), float(said["weight"])
    if not 0 <= p_first <= 1 or not 0 < weight < float("inf"):
        raise ValueError(f"item {said['id']!r:.40} has no probability or weight")
    texts = {name: said[name] for name in ("id", "pair", "principle", "first", "second", "judge", "question")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError(f"item {said['id']!r:.40} lacks a text")
    label = Label(texts["pair"], texts["principle"], messages(said["prompt"]), texts["first"], texts["second"], p_first,
                  texts["judge"])  # fmt: skip
    return Item(texts["id"], label, texts["question"], bool(said["a_first"]), weight)
