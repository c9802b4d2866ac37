"""Write the data of the spec in the box: `python -m training.support_agent.make_data`."""

from __future__ import annotations

import argparse
import json
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SPECS / "data")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, how in FILES.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(*how))
        (folder / name).write_text(text, encoding="utf-8")
        print(f"{name}: {how[0]} rows")


if __name__ == "__main__":
    main()
