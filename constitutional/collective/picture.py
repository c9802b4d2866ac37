"""The map of opinions and the consensus of all statements, as one picture without any text of the participants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from constitutional.collective.opinion import Floats
from constitutional.collective.principles import group_names

if TYPE_CHECKING:
    from constitutional.collective.build import Built

WIDTH: Final = 860
HEIGHT: Final = 400
SIDE: Final = 320
LEFT, TOP, MIDDLE, WIDE = 50, 50, 470, 360
#: Colours that are told apart with any kind of colour vision (Okabe and Ito 2008).
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
SHAPES: Final = ("circle", "square", "triangle", "diamond", "cross")
#: Most people drawn: more makes a file that no browser likes.
MOST: Final = 5000


def picture(built: Built) -> str:
    """An SVG: left where everybody stands, coloured by group; right the consensus of every statement, sorted."""
    sizes = np.bincount(built.labels).tolist()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>Opinion map of {len(built.votes.people):,} people and consensus of "
        f"{len(built.votes.statements):,} statements</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_frame(LEFT, SIDE, f"Where {len(built.votes.people):,} people stand"),
        *_points(built),
        *_legend(sizes),
        *_frame(MIDDLE, WIDE, f"Group-aware consensus of {len(built.votes.statements):,} statements"),
        *_consensus(built),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _frame(left: int, width: int, title: str) -> Iterator[str]:
    yield f'<text x="{left}" y="{TOP - 16}" font-size="14" font-weight="bold">{title}</text>'
    yield f'<rect x="{left}" y="{TOP}" width="{width}" height="{SIDE}" fill="none" stroke="#888"/>'


def _points(built: Built) -> Iterator[str]:
    first, second = (f"{100 * share:.1f} %" for share in built.map.variance)
    yield f'<text x="{LEFT}" y="{TOP + SIDE + 18}">component 1 ({first} of variance)</text>'
    yield f'<text transform="translate({LEFT - 10} {TOP + SIDE}) rotate(-90)">component 2 ({second})</text>'
    places = _scaled(built.map.points)
    step = -(-len(places) // MOST)
    for (x, y), group in list(zip(places.tolist(), built.labels.tolist(), strict=True))[::step]:
        yield _mark(x, y, group)


def _scaled(points: Floats) -> Floats:
    """Points inside the frame, up being more."""
    low, high = points.min(axis=0), points.max(axis=0)
    share = (points - low) / np.where(high > low, high - low, 1.0)
    margin = 8
    x = LEFT + margin + share[:, 0] * (SIDE - 2 * margin)
    y = TOP + SIDE - margin - share[:, 1] * (SIDE - 2 * margin)
    return np.stack([x, y], axis=1)


def _mark(x: float, y: float, group: int) -> str:
    """A shape for each group, so that it is read without colours too."""
    style = f'fill="{COLOURS[group % len(COLOURS)]}" fill-opacity="0.55"'
    shape = SHAPES[group % len(SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" {style}/>'
    if shape == "square":
        return f'<rect x="{x - 2.3:.1f}" y="{y - 2.3:.1f}" width="4.6" height="4.6" {style}/>'
    around = {"triangle": ((0, -3), (3, 3), (-3, 3)), "diamond": ((0, -3.4), (3.4, 0), (0, 3.4), (-3.4, 0)),
              "cross": ((-3, -1), (3, -1), (3, 1), (-3, 1))}[shape]  # fmt: skip
    return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in around)}" {style}/>'


def _legend(sizes: list[int]) -> Iterator[str]:
    for group, (name, size) in enumerate(zip(group_names(len(sizes)), sizes, strict=True)):
        x = LEFT + SIDE - 90
        y = TOP + 16 + 16 * group
        yield _mark(x, y - 4, group)
        yield f'<text x="{x + 10}" y="{y}">group {name}: {size:,}</text>'


def _consensus(built: Built) -> Iterator[str]:
    """Every statement as a vertical interval with its value; the threshold as a line."""
    found, order = built.consensus, np.argsort(-built.consensus.value, kind="stable").tolist()

    def height(value: float) -> float:
        return TOP + SIDE - value * SIDE

    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield f'<text x="{MIDDLE - 6}" y="{height(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for place, j in enumerate(order):
        x = MIDDLE + 4 + place * (WIDE - 8) / max(len(order) - 1, 1)
        colour = "#0072b2" if found.value[j] >= built.threshold else "#999999"
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{height(found.low[j]):.1f}" y2="{height(found.high[j]):.1f}" '
            f'stroke="{colour}" stroke-opacity="0.35"/>'
        )
        yield f'<circle cx="{x:.1f}" cy="{height(found.value[j]):.1f}" r="1.5" fill="{colour}"/>'
    y = height(built.threshold)
    yield f'<line x1="{MIDDLE}" x2="{MIDDLE + WIDE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d55e00" stroke-dasharray="5 3"/>'
    passing = int(found.passing(built.threshold).sum())
    yield f'<text x="{MIDDLE + WIDE - 6}" y="{y - 6:.1f}" text-anchor="end">{passing} reach {built.threshold:.4g}</text>'
    yield f'<text x="{MIDDLE}" y="{TOP + SIDE + 18}">statements by consensus, with 95 % intervals</text>'
