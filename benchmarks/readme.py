"""Write the README's table, spec and graph from a real run: `python benchmarks/readme.py runs/support-agent`."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SPEC = REPOSITORY / "specs" / "support-agent.yaml"
COLUMNS = ("unsafe_rate", "refusal", "over_refusal", "win_rate", "mean_words")


def cell(figure: dict[str, Any], percent: bool) -> str:
    """A value with its interval."""
    if figure.get("value") is None:
        return "-"
    scale, unit = (100, " %") if percent else (1, "")
    low, high = figure["low"] * scale, figure["high"] * scale
    return f"{figure['value'] * scale:.1f}{unit} [{low:.1f}, {high:.1f}]"


def table(report: dict[str, Any]) -> str:
    """A row a model, in the order of the spec."""
    models = report["figures"]["result"]["models"]
    lines = [
        "| model | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |",
        "| --- " * (len(COLUMNS) + 1) + "|",
    ]
    for label in ("start", "sl_cai", "rl_cai"):
        cells = [cell(models[label][name], name != "mean_words") for name in COLUMNS]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    n = {name: models["rl_cai"][name]["n"] for name in COLUMNS}
    lines.append(
        f"\nn = {n['unsafe_rate']} tempting and {n['over_refusal']} everyday prompts; 95 % intervals; win rate against `start`."
    )
    return "\n".join(lines)


def fill(text: str, mark: str, content: str) -> str:
    """Replace what stands between `<!-- mark -->` and the next `<!-- end -->`."""
    return re.sub(
        rf"(<!-- {mark} -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{content}\n{found[2]}",
        text,
        count=1,
        flags=re.DOTALL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    report = json.loads((parser.parse_args().run / "report.json").read_text(encoding="utf-8"))
    tool = Path(sys.executable).parent / "constitutional"
    graph = subprocess.run([tool, "plan", SPEC, "--mermaid"], capture_output=True, text=True, check=True).stdout
    readme = REPOSITORY / "README.md"
    text = fill(readme.read_text(encoding="utf-8"), "figures", table(report))
    text = fill(text, "spec", f"```yaml\n{SPEC.read_text(encoding='utf-8')}```")
    readme.write_text(fill(text, "graph", f"```mermaid\n{graph.strip()}\n```"), encoding="utf-8")


if __name__ == "__main__":
    main()
