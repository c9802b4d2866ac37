"""Reward hacking, unguarded and guarded: the over-optimisation curve of `specs/reward-hacking.yaml`.

    python benchmarks/reward_hacking.py [--root FOLDER] [--out benchmarks/results/reward_hacking.json]
                                        [--picture docs/reward-hacking.svg]

Runs the spec in a fresh folder (or reads a run that is there), prints what was measured as JSON, and draws it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = ("unguarded", "guarded")
SHOWN = (
    "kl",
    "sqrt_kl",
    "proxy",
    "proxy_low",
    "proxy_high",
    "gold",
    "gold_low",
    "gold_high",
    "length",
    "repetition",
    "entropy",
    "n",
)
#: The most that the spec's reward gives: two rules of weight one.
MOST = 2.0
BLUE, RED, GREY, GREEN = "#2563a8", "#b5382a", "#8a8f98", "#2e7d4f"

Curve = list[dict[str, float]]


def measured(run: Path) -> dict[str, Any]:
    """Of each stage: its curve, where it stopped and why, and what it kept."""
    found: dict[str, Any] = {}
    for stage in STAGES:
        folder = run / "steps" / stage / "main"
        lines = map(json.loads, (folder / "training_log.jsonl").read_text(encoding="utf-8").splitlines())
        curve = [{"step": line["step"], **{name: round(line[f"held_out_{name}"], 4) for name in SHOWN}}
                 for line in lines if "held_out_kl" in line]  # fmt: skip
        watch = json.loads((folder / "training.json").read_text(encoding="utf-8"))["watch"]
        said = {name: watch[name] for name in ("kept_step", "last_step", "stopped_step", "stopped_because", "alarms")}
        kept = {name: watch["kept"][name] for name in ("gold", "proxy", "kl", "length", "repetition")}
        found[stage] = {**said, "kept": kept, "curve": curve}
    return found


def picture(found: dict[str, Any]) -> str:
    """Left, proxy and gold over the root of the divergence; right, what each run had learned, over its steps."""
    free, held = found["unguarded"], found["guarded"]
    farthest, last = max(line["sqrt_kl"] for line in free["curve"]), max(line["step"] for line in free["curve"])
    left, right = _Panel(60, farthest), _Panel(470, last)
    kept = next(line for line in held["curve"] if line["step"] == held["kept_step"])
    parts = [
        *left.axes("root of the divergence from the reference (nats an answer)"), *right.axes("steps"),
        left.line(free["curve"], "sqrt_kl", "proxy", RED, MOST), left.band(free["curve"], "sqrt_kl", BLUE),
        left.line(free["curve"], "sqrt_kl", "gold", BLUE), left.mark(kept["sqrt_kl"], kept["gold"], GREEN),
        left.text(0.02, 0.8, "reward, of its most", RED), left.text(0.4, 0.48, "held-out gold reward", BLUE),
        right.band(free["curve"], "step", GREY), right.line(free["curve"], "step", "gold", GREY),
        right.line(free["curve"], "step", "repetition", RED, dashed=True), right.line(held["curve"], "step", "gold", BLUE),
        right.mark(kept["step"], kept["gold"], GREEN),
        right.text(0.42, 1.03, f"guarded: kept step {held['kept_step']}", GREEN), right.text(0.66, 0.5, "unguarded, gold", "#5c6069"),
        right.text(0.66, 0.85, "unguarded, repetition", RED),
    ]  # fmt: skip
    body = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 340" font-family="sans-serif" font-size="12" role="img" '
        'aria-label="A reward rises while the held-out gold reward falls; the guarded run keeps the best step">\n'
        f'<rect width="860" height="340" fill="white"/>\n{body}\n</svg>\n'
    )


class _Panel:
    """A plot of 350 by 240 whose vertical axis goes from 0 to 1.1."""

    def __init__(self, x: float, most: float) -> None:
        self._x, self._most = x, most

    def axes(self, name: str) -> list[str]:
        x, said = self._x, []
        for value in (0, 0.25, 0.5, 0.75, 1):
            y = self._at(0, value)[1]
            said.append(f'<line x1="{x}" x2="{x + 350}" y1="{y}" y2="{y}" stroke="#e3e5e8"/>')
            said.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end" fill="#444">{value:g}</text>')
        for part in range(6):
            value = self._most * part / 5
            said.append(
                f'<text x="{self._at(value, 0)[0]}" y="288" text-anchor="middle" fill="#444">{value:.0f}</text>'
            )
        return [*said, f'<text x="{x + 175}" y="312" text-anchor="middle" fill="#222">{name}</text>']

    def line(self, curve: Curve, x: str, y: str, colour: str, most: float = 1.0, dashed: bool = False) -> str:
        points = [self._at(line[x], line[y] / most) for line in sorted(curve, key=lambda line: line["step"])]
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4" fill="{colour}"/>' for a, b in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{dots}'

    def band(self, curve: Curve, x: str, colour: str) -> str:
        edge = [self._at(line[x], line["gold_high"]) for line in curve]
        edge += [self._at(line[x], line["gold_low"]) for line in reversed(curve)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in edge)
        return f'<polygon points="{path}" fill="{colour}" opacity="0.15"/>'

    def mark(self, x: float, y: float, colour: str) -> str:
        a, b = self._at(x, y)
        return f'<circle cx="{a:.1f}" cy="{b:.1f}" r="7" fill="none" stroke="{colour}" stroke-width="2.5"/>'

    def text(self, share: float, y: float, said: str, colour: str) -> str:
        a, b = self._at(self._most * share, y)
        return f'<text x="{a:.1f}" y="{b:.1f}" fill="{colour}">{said}</text>'

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return round(self._x + 350 * x / self._most, 1), round(270 - 218 * y, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="a folder of runs that has the run already")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    root = options.root or Path(tempfile.mkdtemp()) / "runs"
    if options.root is None:
        tool = Path(sys.executable).parent / "constitutional"
        spec = REPOSITORY / "specs" / "reward-hacking.yaml"
        subprocess.run([tool, "run", spec, "--plain", "--root", root], check=True, stdout=sys.stderr)
    found = measured(root / "reward-hacking")
    said = json.dumps(found, indent=1) + "\n"
    print(said, end="")
    if options.out is not None:
        options.out.write_text(said, encoding="utf-8")
    if options.picture is not None:
        options.picture.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
