"""The graph of a plan as a Mermaid diagram, which GitHub and mkdocs draw."""

from __future__ import annotations

from constitutional.plan.step import Plan, Shape, Step

_FORMS = {
    "source": ("[(", ")]"),
    "trainer": ("[[", "]]"),
    "evaluator": ("{{", "}}"),
}


def mermaid(plan: Plan) -> str:
    """A top-down flowchart: data sets, row stages, trainers and evaluators in forms of their own."""
    lines = ["flowchart TD"]
    ids = {name: f"s{index}" for index, name in enumerate(plan.steps)}
    for name, step in plan.steps.items():
        start, end = _FORMS.get(_kind(step), ("[", "]"))
        lines.append(f'  {ids[name]}{start}"{name}<br/><small>{step.path}</small>"{end}')
    for name, step in plan.steps.items():
        lines += [f"  {ids[need]} -->|{label}| {ids[name]}" for need, label in _edges(step)]
    return "\n".join(lines)


def _kind(step: Step) -> str:
    return "source" if step.shape is Shape.SOURCE else step.path.partition("/")[0]


def _edges(step: Step) -> list[tuple[str, str]]:
    """Each step that this one needs, with the ports through which it comes."""
    ports: dict[str, list[str]] = {}
    for port, inputs in step.inputs.items():
        for source in inputs:
            ports.setdefault(source.step, []).append(port)
    for port, use in step.models.items():
        if use.trained_by is not None:
            ports.setdefault(use.trained_by.step, []).append(port.partition(".")[0])
    return [(need, ", ".join(dict.fromkeys(names))) for need, names in ports.items()]
