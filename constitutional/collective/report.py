"""What a person wants to know of a collective constitution: figures, the table of statements, the map."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from constitutional.collective.build import Built
from constitutional.collective.picture import picture
from constitutional.collective.principles import group_names
from constitutional.table import safe_cell
from constitutional.text import printable


def summary(built: Built) -> dict[str, Any]:
    """Every figure with its n, as plain JSON."""
    found, threshold = built.consensus, built.threshold
    passing, uncertain = found.passing(threshold), found.uncertain(threshold)
    return {
        "cleaning": built.cleaning.to_json(),
        "map": {
            "variance": [round(share, 6) for share in built.map.variance],
            "missing": built.rules.missing,
            "samples": built.rules.samples,
            "n": len(built.votes.people),
        },
        "groups": {
            "source": built.rules.groups,
            "sizes": np.bincount(built.labels).tolist(),
            "fresh_sizes": np.bincount(built.fresh.labels).tolist(),
            "silhouettes": {str(k): round(value, 4) for k, value in built.fresh.silhouettes.items()},
        },
        "group_column": built.alignment.to_json() if built.alignment else None,
        "consensus": {
            "threshold": round(threshold, 6),
            "passing": int(passing.sum()),
            "n": len(passing),
            "uncertain": int(uncertain.sum()),
            "interval": "posterior, 95 %",
        },
        "principles": {
            "n": len(built.constitution),
            "merged": sum(len(one.merged) for one in built.chosen),
            "worded_by": {"model": built.by_model, "template": len(built.constitution) - built.by_model},
        },
    }


def lines(built: Built) -> Iterator[str]:
    """The summary for a terminal."""
    c, said = built.cleaning, summary(built)
    yield f"{c.people:,} people -> {c.people_left:,}  ({c.tossed:,} thrown out by hand, {c.too_few_votes:,} with too few votes)"
    yield f"{c.statements:,} statements -> {c.statements_left:,}  ({c.moderated_out:,} not moderated in)"
    yield f"{c.votes:,} votes -> {c.votes_left:,}"
    if c.unknown:
        yield f"{len(c.unknown)} ids to throw out belong to nobody: {', '.join(map(str, c.unknown[:10]))}"
    first, second = built.map.variance
    yield f"two components explain {first:.4f} and {second:.4f} of the variance"
    tried = ", ".join(f"{k}: {value:.3f}" for k, value in built.fresh.silhouettes.items())
    sizes = " / ".join(f"{size:,}" for size in np.bincount(built.labels).tolist())
    yield f"opinion groups: {sizes} ({built.rules.groups}; silhouettes {tried})"
    if built.alignment is not None:
        yield ("warning: " if built.alignment.misaligned else "") + built.alignment.explain()
    agreed = said["consensus"]
    yield (
        f"{agreed['passing']} of {agreed['n']} statements reach a group-aware consensus of {built.threshold:.4g}; "
        f"the interval of {agreed['uncertain']} holds the threshold"
    )
    if merged := said["principles"]["merged"]:
        yield f"{merged} near-duplicates were merged"


def write_report(built: Built, folder: Path) -> list[Path]:
    """Write `report.json`, `statements.csv` and `map.svg`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("report.json", "statements.csv", "map.svg")]
    paths[0].write_text(json.dumps(summary(built), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with paths[1].open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(_rows(built))
    paths[2].write_text(picture(built), encoding="utf-8")
    return paths


def _rows(built: Built) -> Iterator[list[object]]:
    found, names = built.consensus, group_names(len(built.consensus.agrees))
    merged = {other: built.votes.statements[one.column].id for one in built.chosen for other in one.merged}
    chosen = {one.column for one in built.chosen}
    columns = [f"{name}_{what}" for name in names for what in ("agrees", "disagrees", "votes")]
    yield ["statement", "consensus", "low", "high", "fate", *columns, "text"]
    for j in np.argsort(-found.value, kind="stable").tolist():
        statement = built.votes.statements[j]
        fate = "principle" if j in chosen else f"merged into {merged[j]}" if j in merged else "left out"
        counts = [
            int(count)
            for g in range(len(names))
            for count in (found.agrees[g, j], found.disagrees[g, j], found.seen[g, j])
        ]
        measured = [f"{value:.4f}" for value in (found.value[j], found.low[j], found.high[j])]
        yield [statement.id, *measured, fate, *counts, safe_cell(printable(statement.text))]
