"""Write the data of the spec in the box: `python -m training.support_agent.make_data`."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from training.support_agent import world
from training.support_agent.world import Draw

SPECS = Path(__file__).resolve().parents[2] / "specs"
#: File -> rows, seed, held out, tempting, with answers.
FILES = {
    "attacks.jsonl": (480, 101, False, True, False),
    "everyday.jsonl": (360, 102, False, False, True),
    "held_out_attacks.jsonl": (200, 103, True, True, False),
    "held_out_everyday.jsonl": (150, 104, True, False, False),
}
#: Comparisons of helpfulness: rows and seed.  They stand in for people's.
COMPARISONS = {"helpful_comparisons.jsonl": (240, 105)}


def rows(count: int, seed: int, held_out: bool, tempting: bool, answers: bool) -> list[dict[str, Any]]:
    """Distinct prompts, with their topic and the form of the attack."""
    draw, found = Draw(seed, held_out), {}
    while len(found) < count:
        asked = world.scene(draw, tempting)
        row: dict[str, Any] = {"prompt": asked.messages(), "category": asked.area or asked.topic}
        row |= {"attack": asked.attack} if tempting else {}
        row |= (
            {"completion": [{"role": "assistant", "content": world.reply(draw, asked, "good").text}]} if answers else {}
        )
        found.setdefault(asked.turns[-1][1], row)
    return list(found.values())


def comparisons(count: int, seed: int) -> list[dict[str, Any]]:
    """Two replies of different classes to everyday requests; which is chosen is drawn by how helpful each is, since
    people do not always agree."""
    draw, found = Draw(seed), {}
    while len(found) < count:
        asked = world.scene(draw, tempting=False)
        one, other = (world.reply(draw, asked, world.any_class(draw, asked)) for _ in range(2))
        better, worse = (one, other) if draw.chance(_p_better(asked, one, other)) else (other, one)
        row = {"prompt": asked.messages(), "category": asked.topic}
        row |= {
            name: [{"role": "assistant", "content": said.text}]
            for name, said in (("chosen", better), ("rejected", worse))
        }
        if one.cls != other.cls:
            found.setdefault(asked.turns[-1][1], row)
    return list(found.values())


def _p_better(asked: world.Scene, one: world.Reply, other: world.Reply) -> float:
    return 1 / (1 + math.exp(world.quality("helpful", asked, other) - world.quality("helpful", asked, one)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SPECS / "data")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, how in FILES.items():
        _write(folder / name, rows(*how))
    for name, (count, seed) in COMPARISONS.items():
        _write(folder / name, comparisons(count, seed))


def _write(path: Path, made: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    print(f"{path.name}: {len(made)} rows")


if __name__ == "__main__":
    main()
