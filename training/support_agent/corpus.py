"""The corpus: documents of six tasks, each through the prompt template that a run uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from constitutional.prompts import load
from constitutional.records import Messages, messages, transcript
from training.support_agent import agents, world
from training.support_agent.world import Draw, Reply, Scene

#: Share of each task.
MIX = {"respond": 0.33, "critique": 0.27, "revise": 0.19, "compare": 0.10, "harmless": 0.06, "compliance": 0.05}
#: Topics' replies of the start model: helpful-only, so mostly unsafe where it is tempted.
TEMPTED = [0.93, 0.06, 0.01]
UNTEMPTED = [0.005, 0.99, 0.005]


@dataclass(slots=True)
class Document:
    """A dialogue whose last turn is to be learned; `p_a` is the soft target of a judge's letter."""

    task: str
    turns: Messages
    answer: str
    p_a: float | None = None
    scene: Scene | None = field(default=None, repr=False)


def documents(count: int, seed: int, mix: dict[str, float] | None = None) -> Iterator[Document]:
    """`count` documents of the training split."""
    draw, shares = Draw(seed), mix or MIX
    for _ in range(count):
        (task,) = draw.random.choices(list(shares), list(shares.values()))
        yield MAKERS[task](draw)


# -- the templates, filled -------------------------------------------------------------------------------------------


def dialogue(asked: Scene) -> Messages:
    return messages(asked.messages())


def critique_prompt(asked: Scene, response: str, wording: str) -> Messages:
    return load("critique/bai2022").render(prompt=dialogue(asked), response=response, principle={"critique": wording})


def revision_prompt(asked: Scene, response: str, wording: str, critique: str, revision: str) -> Messages:
    principle = {"critique": wording, "revision": revision}
    return load("revision/bai2022").render(
        prompt=dialogue(asked), response=response, principle=principle, critique=critique
    )


def compare_prompt(asked: Scene, first: str, second: str, wording: str) -> Messages:
    said = transcript(dialogue(asked))
    return load("compare/bai2022").render(transcript=said, first=first, second=second, principle={"compare": wording})


def harmless_prompt(asked: Scene, response: str, rules: list[str]) -> Messages:
    principles = [{"rule": rule} for rule in rules]
    return load("verdict/harmless").render(
        transcript=transcript(dialogue(asked)), response=response, principles=principles
    )


def compliance_prompt(asked: Scene, response: str) -> Messages:
    return load("verdict/compliance").render(transcript=transcript(dialogue(asked)), response=response)


# -- the tasks -------------------------------------------------------------------------------------------------------


def _area(draw: Draw, asked: Scene) -> str:
    """The area of a principle: the one at stake rather often, else any."""
    return asked.area if asked.area and draw.chance(0.4) else draw.any(agents.AREAS)


def _judged(draw: Draw) -> tuple[Scene, str, Reply]:
    asked = world.scene(draw)
    return asked, _area(draw, asked), world.reply(draw, asked, world.any_class(draw, asked))


def respond(draw: Draw) -> Document:
    asked = world.scene(draw, tempting=draw.chance(0.5))
    (cls,) = draw.random.choices(["unsafe", "good", "bare"], TEMPTED if asked.area else UNTEMPTED)
    return Document("respond", dialogue(asked), world.reply(draw, asked, cls).text, scene=asked)


def critique(draw: Draw) -> Document:
    asked, area, said = _judged(draw)
    turns = critique_prompt(asked, said.text, draw.worded(agents.CRITIQUES[area]))
    return Document("critique", turns, world.critique(draw, area, asked, said), scene=asked)


def revise(draw: Draw) -> Document:
    """A better reply where there is something to mend, else the same again; mostly the former."""
    asked, area, said = _judged(draw)
    if world.violated(area, asked, said) is None and draw.chance(0.85):
        area = asked.area if asked.area and draw.chance(0.4) else "overall"
        said = world.reply(draw, asked, "unsafe" if draw.chance(0.8) else "bare")
    found = world.critique(draw, area, asked, said)
    kept = world.violated(area, asked, said) is None
    turns = revision_prompt(
        asked, said.text, draw.worded(agents.CRITIQUES[area]), found, draw.worded(agents.REVISIONS[area])
    )
    return Document("revise", turns, said.text if kept else world.reply(draw, asked, "good").text, scene=asked)


def compare(draw: Draw) -> Document:
    asked, area, first = _judged(draw)
    second = world.reply(draw, asked, world.any_class(draw, asked))
    p_a = world.p_first(area, asked, first, second)
    turns = compare_prompt(asked, first.text, second.text, draw.worded(agents.COMPARISONS[area]))
    return Document("compare", turns, "A" if draw.chance(p_a) else "B", p_a, asked)


def harmless(draw: Draw) -> Document:
    asked, _, said = _judged(draw)
    return Document(
        "harmless",
        harmless_prompt(asked, said.text, some_rules(draw)),
        "unsafe" if said.cls == "unsafe" else "safe",
        scene=asked,
    )


def some_rules(draw: Draw) -> list[str]:
    """A check-list that covers every area, in varied wordings, order and length."""
    areas = list(agents.AREAS) + (["overall"] if draw.chance(0.5) else [])
    draw.random.shuffle(areas)
    return list(dict.fromkeys(draw.worded(agents.RULES[area]) for area in areas))


def compliance(draw: Draw) -> Document:
    asked, _, said = _judged(draw)
    return Document("compliance", compliance_prompt(asked, said.text), world.compliance(asked, said), scene=asked)


MAKERS: dict[str, Any] = {
    "respond": respond,
    "critique": critique,
    "revise": revise,
    "compare": compare,
    "harmless": harmless,
    "compliance": compliance,
}
