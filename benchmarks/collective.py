"""The collective constitution of Huang et al. 2024, ours beside published.

    python benchmarks/collective.py [--data ../shared/data/ccai] [--out benchmarks/results/collective.json]
                                    [--picture docs/collective.svg]

The data are the authors' (github.com/saffronh/ccai), to be fetched by hand: `participants-votes.csv`, `comments.csv`,
`ids-to-toss.csv` and `clean_votes.csv` in one folder.  They state no licence, so nothing of them is in this repository;
what is printed and drawn are figures.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from constitutional.collective.alignment import realigned
from constitutional.collective.build import Rules, build
from constitutional.collective.consensus import consensus, default_threshold
from constitutional.collective.opinion import agreement, groups, opinion_map
from constitutional.collective.picture import picture
from constitutional.collective.report import summary

HERE = Path(__file__).resolve().parent
THRESHOLD = 0.723
SEEDS = 10


def measure(data: Path) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """The table, what else was seen, and the picture."""
    rules = Rules(min_votes=26, threshold=THRESHOLD, missing="zero", samples="statements")
    made = {
        source: build(data, replace(rules, groups=source), group_file=data / "clean_votes.csv", name="ccai")
        for source in ("column", "realigned", "fresh")
    }
    column = made["column"]
    cleaning, alignment = column.cleaning, column.alignment
    assert alignment is not None
    passing = {source: int(built.consensus.passing(THRESHOLD).sum()) for source, built in made.items()}
    right = realigned(column.votes.people, column.labels, alignment.best)
    table = [
        row("people, before and after cleaning", "1,126 -> 1,002", f"{cleaning.people:,} -> {cleaning.people_left:,}"),
        row("statements, before and after", "1,418 -> 275", f"{cleaning.statements:,} -> {cleaning.statements_left}"),
        row("votes cast", "38,252", f"{cleaning.votes:,}"),
        row("variance of the two components", "0.0729, 0.0420", ", ".join(f"{v:.4f}" for v in column.map.variance)),
        row("number of groups", "2", str(column.fresh.k)),
        row("group sizes as published", "619 / 383", " / ".join(map(str, np.bincount(column.labels)))),
        row("statements at consensus >= 0.723, published groups", "95 ideas", str(passing["column"])),
        row("... groups put beside their own rows", "-", str(passing["realigned"])),
        row("... fresh groups", "-", str(passing["fresh"])),
        row("agreement of published groups with fresh ones", "-", f"{alignment.as_written:.3f}"),
        row("... once put beside their own rows", "-", f"{alignment.in_order[alignment.best]:.3f}"),
    ]
    more = {
        "small_clusters_first": by_small_clusters(column.map.points, right),
        "maps": by_map(column.votes, right, build(data, rules, name="ccai").votes.groups),
        "summary": summary(made["fresh"]),
    }
    return table, more, picture(made["realigned"])


def row(what: str, published: str, ours: str) -> dict[str, Any]:
    return {"what": what, "published": published, "ours": ours}


def by_small_clusters(points: Any, right: Any) -> dict[str, Any]:
    """Agreement with the published groups where a hundred small clusters are made first, as they were: by seed."""
    found = [agreement(groups(points, seed, (2,), base=100).labels, right) for seed in range(SEEDS)]
    chosen = [groups(points, seed, base=100).k for seed in range(SEEDS)]
    return {"lowest": round(min(found), 3), "highest": round(max(found), 3), "k_chosen_by_seed": chosen, "seeds": SEEDS}


def by_map(votes: Any, right: Any, polis: Any) -> list[dict[str, Any]]:
    """What the map decides: number of groups, agreement of two groups with the published ones and with those of Polis' own
    server, which the raw export has; and how many statements pass with two groups and with as many as the silhouette says."""
    server = np.unique(np.array(polis), return_inverse=True)[1]
    found = []
    for samples in ("people", "statements"):
        for missing in ("mean", "zero"):
            place = opinion_map(votes, missing, samples)
            two, chosen = groups(place.points, choices=(2,)), groups(place.points)
            found.append({
                "samples": samples, "missing": missing, "variance": [round(v, 4) for v in place.variance], "k": chosen.k,
                "agreement_with_published": round(agreement(two.labels, right), 3),
                "agreement_with_polis": round(agreement(two.labels, server), 3),
                "passing_with_two": int(consensus(votes, two.labels).passing(THRESHOLD).sum()),
                "passing_with_k": int(consensus(votes, chosen.labels).passing(default_threshold(chosen.k)).sum()),
            })  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data" / "ccai")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "collective.json")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if not given.data.is_dir():
        raise SystemExit(f"there is no folder {given.data}; see the top of this file")
    table, more, drawn = measure(given.data)
    for one in table:
        print(f"{one['what']:<52} published {one['published']:<16} ours {one['ours']}")
    print(json.dumps(more, indent=1))
    given.out.write_text(json.dumps({"table": table, **more}, indent=1) + "\n", encoding="utf-8")
    if given.picture:
        given.picture.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
