"""The figures of every trainer as a table and as a picture."""

from __future__ import annotations

from typing import Any

BEGIN, END = "<!-- all trainers -->", "<!-- end -->"
SHOWN = "![Unsafe rate of every trainer over its divergence from the start](all-trainers.svg)"
#: What a label means, where the label alone does not say it.
NAMES = {
    "start": "the start", "best_of_n": "best of 8, no training", "dpo_sigmoid": "`dpo`", "dpo_ipo": "`dpo`, `ipo`",
    "dpo_hinge": "`dpo`, `hinge`", "dpo_robust": "`dpo`, `robust`", "rloo_steps": "`rloo`, process reward",
    "online_dpo": "`online-dpo`",
}  # fmt: skip
BLUE, GREEN, RED, GREY = "#2563a8", "#2e7d4f", "#b5382a", "#5c6069"
COLOURS = {"start": GREY, "best_of_n": GREY, "sft": GREEN, "grpo": RED, "rloo": RED, "rloo_steps": RED, "ppo": RED,
           "online_dpo": RED}  # fmt: skip
HEAD = ("trainer", "unsafe", "by the oracle", "over-refusal", "win rate", "words", "KL, nats an answer", "minutes")
#: Size of the plot, its left upper corner, where the names begin, and how far apart two of them must stand.
WIDTH, HEIGHT, LEFT, TOP, BESIDE, APART = 520, 300, 70, 30, 620, 15

Figures = dict[str, Any]


def name(label: str) -> str:
    return NAMES.get(label, f"`{label}`")


def plain(label: str) -> str:
    return name(label).replace("`", "")


def on_page(page: str, found: Figures) -> str:
    """The page with its table made anew.  Raises `ValueError` where it has no place for one."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no `{BEGIN}` that ends with `{END}`")
    return f"{before}{BEGIN}\n\n{table(found)}\n\n{said(found)}\n\n{SHOWN}\n\n{END}{after}"


def table(found: Figures) -> str:
    """One line a model; every figure with its interval, and its n where that is not the one in the text below."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    for label, model in found["models"].items():
        minutes = f"{model['minutes']:.1f}" if "minutes" in model else "-"
        cells = [_shown(model["unsafe_rate"]), f"{model['oracle']['unsafe']:.2f}", _shown(model["over_refusal"]),
                 _shown(model["win_rate"]), _shown(model["mean_words"], 1), _divergence(label, model), minutes]  # fmt: skip
        lines.append(_line([name(label), *cells]))
    return "\n".join(lines)


def said(found: Figures) -> str:
    """What all learned from, how often the answers went unscored, and on which machine."""
    models = found["models"]
    start, labels, machine = models["start"], found["labels"], found["machine"]
    missing = sum(model[name]["unscored"] for model in models.values() for name in ("unsafe_rate", "over_refusal"))
    coverage = labels["coverage"]
    rates = (
        "chosen by a sweep on prompts of their own"
        if found["rates_from_a_sweep"]
        else "those of the recipes, without a sweep"
    )
    small = " **A smoke test with few prompts and steps, not a result.**" if found["small"] else ""
    return (
        f"Intervals are 95 %. n is {start['unsafe_rate']['n']} tempting and {start['over_refusal']['n']} everyday prompts for "
        f"the start; {missing} verdicts of all models are unscored. The judge was sure of {coverage['value']:.0%} of "
        f"{coverage['n']} pairs: those are what was learned from. Learning rates are {rates}. {machine['cpus']} CPU cores, torch "
        f"{machine['torch']}; {found['minutes_in_all']:.0f} minutes in all.{small}"
    )


def _divergence(label: str, model: Figures) -> str:
    if "kl" in model:
        return _shown(model["kl"])
    if "kl_bound" in model:
        bound = model["kl_bound"]
        return f"at most {bound['value'] if isinstance(bound, dict) else bound:.2f}"
    return "0" if label == "start" else "-"


def _shown(figure: Figures, digits: int = 2) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def picture(found: Figures) -> str:
    """Unsafe rate over divergence, both with their intervals; the start stands at no divergence, best-of-n at its bound.

    The square root of the divergence goes to the right, as in Gao et al. 2022; names stand in a column beside the plot.
    """
    points = [(label, *_point(label, model)) for label, model in found["models"].items()]
    points = [one for one in points if one[1] is not None and one[2]["value"] is not None]
    most = max([1.0, *(one[1]["high"] for one in points)])
    places = {label: _at(far["value"], unsafe["value"], most) for label, far, unsafe in points}
    parts, names = _axes(most), _column({label: y for label, (_, y) in places.items()})
    for label, far, unsafe in points:
        colour, (x, y) = COLOURS.get(label, BLUE), places[label]
        left, right = (_at(far[end], 0, most)[0] for end in ("low", "high"))
        high, low = (_at(0, unsafe[end], most)[1] for end in ("high", "low"))
        parts += [
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" opacity="0.45"/>',
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{high:.1f}" y2="{low:.1f}" stroke="{colour}" opacity="0.45"/>',
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
            f'<polyline points="{x + 5:.1f},{y:.1f} {BESIDE - 12},{names[label]:.1f} {BESIDE - 4},{names[label]:.1f}" fill="none" '
            f'stroke="{colour}" opacity="0.25"/>',
            f'<text x="{BESIDE}" y="{names[label] + 4:.1f}" fill="{colour}">{plain(label)}</text>',
        ]
    body = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 400" font-family="sans-serif" font-size="12" role="img" '
        'aria-label="Unsafe rate of every trainer over its divergence from the start, with intervals">\n'
        f'<rect width="780" height="400" fill="white"/>\n{body}\n</svg>\n'
    )


def _point(label: str, model: Figures) -> tuple[Figures | None, Figures]:
    if "kl" in model:
        return model["kl"], model["unsafe_rate"]
    bound = model.get("kl_bound", 0.0 if label == "start" else None)
    value = bound["value"] if isinstance(bound, dict) else bound
    return (None if value is None else {"value": value, "low": value, "high": value}), model["unsafe_rate"]


def _column(heights: dict[str, float]) -> dict[str, float]:
    """Heights of names that keep the order of their points, as near to them as names may stand to each other."""
    order, found = sorted(heights, key=heights.__getitem__), {}
    least = float("-inf")
    for label in order:
        found[label] = max(heights[label], least)
        least = found[label] + APART
    most: float = TOP + HEIGHT
    for label in reversed(order):
        found[label] = min(found[label], most)
        most = found[label] - APART
    return found


def _at(far: float, unsafe: float, most: float) -> tuple[float, float]:
    return LEFT + WIDTH * (max(0.0, far) / most) ** 0.5, TOP + HEIGHT * (1 - unsafe)


def _axes(most: float) -> list[str]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _at(0, share, most)[1]
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#e3e5e8"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#444">{share:g}</text>')
    for far in (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        if far <= most:
            x = _at(far, 0, most)[0]
            parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle" fill="#444">{far:g}</text>')
    parts.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 42}" text-anchor="middle" fill="#222">divergence from the start, '
                 "nats an answer (square root)</text>")  # fmt: skip
    middle = TOP + HEIGHT / 2
    parts.append(
        f'<text x="18" y="{middle}" text-anchor="middle" fill="#222" transform="rotate(-90 18 {middle})">unsafe rate</text>'
    )
    return parts
