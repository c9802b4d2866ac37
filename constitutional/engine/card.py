"""Model cards: beside the weights that a step leaves, what they were made from and how, as `README.md`.

Everything in a card follows from what the fingerprint covers and from the libraries' versions, so that two runs of one
step leave the same bytes: no date, no path, no name of a step.  What strangers wrote is shown as text, never as markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from constitutional.engine.account import Account
from constitutional.ids import digest
from constitutional.plan.step import ModelUse, Plan, Shape, Step
from constitutional.ports import PolicyModel, RewardModel
from constitutional.store.artifacts import Artifacts
from constitutional.text import one_line
from constitutional.wrapping import WrappingParams

NAME = "README.md"
PACKAGES = ("constitutional", "torch", "transformers", "trl", "peft", "accelerate", "tokenizers")
#: Parameters whose values are nobody's business.
SECRET = re.compile(r"token$|secret|password|api_?key|credential|_env$", re.IGNORECASE)
WIDTH = 400


def cards(plan: Plan, step: Step, artifacts: Artifacts, account: Account, figures: Mapping[str, Any]) -> dict[str, str]:
    """A card for each output of a finished step that is a model, by the output's name."""
    models = [name for name, flow in step.gives.items() if issubclass(flow, (PolicyModel, RewardModel))]
    return {name: _card(plan, step, artifacts, account, figures) for name in models}


def _card(plan: Plan, step: Step, artifacts: Artifacts, account: Account, figures: Mapping[str, Any]) -> str:
    line = [plan.steps[name] for name in plan.steps if name in _before(plan, step)]
    bases = sorted({_name(use) for one in (*line, step) for use in _trained(one)})
    parts = [
        _front(bases, step),
        f"# Made by {_code(step.path)}",
        "This model was made by [constitutional](https://pypi.org/project/constitutional/); everything below is from its run.",
        _list("Starts from", bases),
        _principles(plan, (*line, step)),
        _table("Data sets", ("source", "rows", "content"), _data(line, artifacts)),
        _table("How it was made", ("step", "stage", "parameters", "seed"), _stages([*line, step])),
        _table("Rows of the last step", ("fate", "reason", "rows"), _rows(account)),
        _block("Figures", figures),
        _table("Versions", ("package", "version"), _versions()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# -- what there is to say ------------------------------------------------------------------------------------------------


def _before(plan: Plan, step: Step) -> set[str]:
    """Names of all steps that had a part in this one."""
    found: set[str] = set()
    waiting = [*step.needs()]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += plan.steps[name].needs()
    return found


def _trained(step: Step) -> Iterator[ModelUse]:
    """The configured models that a step trains."""
    takes = step.stage.cls.takes if step.stage is not None else {}
    return (use for port, use in step.models.items() if port in takes and use.trained_by is None)


def _name(use: ModelUse) -> str:
    """A model by its public name; weights in a folder have none, and where the folder lay is nobody's business."""
    params = use.params.of.params if isinstance(use.params, WrappingParams) else use.params
    name = str(getattr(params, "model", ""))
    local = not name or Path(name).is_absolute() or "\\" in name
    return f"weights in a local folder ({use.fingerprint[:12]})" if local else name


def _principles(plan: Plan, steps: Sequence[Step]) -> str:
    """The principles that any of the steps saw, and one digest of them all."""
    seen = {id: said for one in steps for id, said in one.parts.get("principles", {}).items()}
    if not seen:
        return ""
    rows = [(id, str(said[0])[:12], f"{said[1]:g}") for id, said in sorted(seen.items())]
    about = f"{_code(plan.constitution.name)}; digest of the principles below: {_code(digest(rows)[:16])}"
    return _table("Constitution", ("principle", "digest", "weight"), rows, about)


def _data(line: Sequence[Step], artifacts: Artifacts) -> Iterator[tuple[str, str, str]]:
    for one in line:
        if one.shape is Shape.SOURCE:
            rows = sum(output.rows or 0 for output in artifacts.finished(one.fingerprint).outputs.values())
            yield one.path, f"{rows:,}", digest(one.parts["content"])[:16]


def _stages(steps: Sequence[Step]) -> Iterator[tuple[str, str, str, str]]:
    for one in steps:
        if one.shape is not Shape.SOURCE:
            said = one.params.model_dump(mode="json", exclude_defaults=True) if one.params is not None else {}
            kept = {name: one.parts["params"][name] for name in said if name in one.parts["params"]}
            yield one.fingerprint[:12], one.path, json.dumps(_open(kept), sort_keys=True), str(one.seed)


def _open(said: Any) -> Any:
    """Without the values of what is called a secret."""
    if isinstance(said, Mapping):
        return {name: "..." if SECRET.search(str(name)) else _open(value) for name, value in said.items()}
    return [_open(one) for one in said] if isinstance(said, (list, tuple)) else said


def _rows(account: Account) -> Iterator[tuple[str, str, str]]:
    for fate, count in account.ledger().items():
        if count:
            why = account.why().get(fate, {})
            yield fate, ", ".join(f"{reason} {n}" for reason, n in sorted(why.items())) or "-", f"{count:,}"


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)


# -- how it is said ------------------------------------------------------------------------------------------------------


def _front(bases: Sequence[str], step: Step) -> str:
    """What model hubs read: JSON strings are YAML."""
    public = [name for name in bases if "/" in name and " " not in name]
    lines = ["---", "library_name: transformers", "tags:", "- constitutional-ai", f"- {json.dumps(step.path)}"]
    lines += ["base_model:", *(f"- {json.dumps(one_line(name))}" for name in public)] if public else []
    return "\n".join([*lines, "---"])


def _code(text: str) -> str:
    """Text of a stranger's as code: no markup, no link, one line."""
    return "`" + one_line(text, WIDTH).replace("`", "'").replace("|", "¦") + "`"


def _list(title: str, items: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_code(item)}" for item in items) if items else ""


def _table(title: str, columns: Sequence[str], rows: Any, about: str = "") -> str:
    lines = ["| " + " | ".join(_code(cell) for cell in row) + " |" for row in rows]
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return f"## {title}\n\n" + (f"{about}\n\n" if about else "") + "\n".join([*head, *lines]) if lines else ""


def _block(title: str, figures: Mapping[str, Any]) -> str:
    """Figures as JSON; ASCII alone, so that nothing in it can end the block or turn the text around."""
    said = json.dumps(_open(figures), indent=1, sort_keys=True).replace("`", "\\u0060")
    return f"## {title}\n\n```json\n{said}\n```" if figures else ""
