"""Edges: does what flows out of one stage fit into the next, and can the models do what is asked of them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from constitutional.spec.checked import CheckedData, CheckedModel, Edge
from constitutional.spec.findings import Findings, did_you_mean, guessed, listed
from constitutional.spec.model import Form, PortValue, Ref, StageSpec
from constitutional.spec.names import Names
from constitutional.spec.stages import KINDS, STAGE_KEYS
from constitutional.spec.text import Label, Span

if TYPE_CHECKING:
    from constitutional.parameters import StageParams
    from constitutional.plugins import Registered
    from constitutional.ports import Flow
    from constitutional.stage import Stage


@dataclass(frozen=True, slots=True)
class Draft:
    """A flat stage whose class is known; `params` is None where they have been reported."""

    spec: StageSpec
    stage: Registered[Stage]
    params: StageParams | None

    @property
    def cls(self) -> Any:
        return self.stage.cls

    @property
    def title(self) -> str:
        return f"{self.spec.kind} `{self.spec.implementation}`"


@dataclass(slots=True)
class Graph:
    """What is known so far of a spec's graph."""

    names: Names
    models: Mapping[str, CheckedModel]
    data: Mapping[str, CheckedData]
    drafts: Mapping[str, Draft]
    findings: Findings
    #: Outputs of the stages that have been typed; a stage that is not here is left alone.
    gives: dict[str, Mapping[str, Flow]] = field(default_factory=dict)
    base_model: dict[str, dict[str, str]] = field(default_factory=dict)

    def place(self, name: str) -> Span:
        """Where a name is written."""
        spec = self.names.spec
        found: Any = self.names.flat.get(name) or spec.models.get(name) or spec.data.get(name)
        return found.span  # type: ignore[no-any-return]


# -- ports -----------------------------------------------------------------------------------------------------------


def check_ports(draft: Draft, findings: Findings) -> None:
    """Inputs that do not exist, are missing, or hold the wrong number of names."""
    takes, asks, ports = draft.cls.takes, draft.cls.asks, draft.spec.ports
    known = [*takes, *(port for port in asks if port not in takes)]
    unknown = [port for port, value in ports.items() if port not in known and value.refs]
    for port in unknown:
        label = did_you_mean(port, [*known, *STAGE_KEYS], f"it takes: {', '.join(sorted([*known, *STAGE_KEYS]))}")
        message = f"{draft.title} has no input `{port}`"
        findings.report("unknown-input", message, ports[port].key_span, label, help=_help_unknown(port, draft))
    meant = {guess for port in unknown[:50] if (guess := guessed(port, known))}
    missing = [p for p in known if p not in ports and p not in meant and not (p in takes and takes[p].optional)]
    missing = [p for p in missing if not _stood_for(p, asks, {*ports, *meant})]
    if missing and not draft.spec.broken:
        names = " and ".join(f"`{port}`" for port in missing)
        message = f"{draft.title} needs {names}"
        examples = ", ".join(f"{port}: NAME" for port in missing)
        findings.report("missing-input", message, draft.spec.span, help=f"write `{examples}`")
    for port, value in ports.items():
        if port in known and value.refs:
            labelled = takes[port].labelled if port in takes else asks[port].labelled
            _check_arity(port, value, labelled, port in takes and takes[port].many, findings)
            _check_alone(port, draft, findings)


def _stood_for(port: str, asks: Mapping[str, Any], written: set[str]) -> bool:
    """Whether a port that is not written need not be: it stands in for another, or another for it."""
    if port in asks and asks[port].instead_of is not None:
        return True
    return any(ask.instead_of == port and other in written for other, ask in asks.items())


def _check_alone(port: str, draft: Draft, findings: Findings) -> None:
    """Two ports of which one takes the other's place."""
    other = draft.cls.asks[port].instead_of if port in draft.cls.asks else None
    if other is not None and other in draft.spec.ports:
        first = Label(draft.spec.ports[other].key_span, f"`{other}` is written here")
        message = f"`{port}` stands in place of `{other}`: {draft.title} takes one of the two"
        findings.report("wrong-arity", message, draft.spec.ports[port].key_span, secondary=(first,),
                        help=f"write all models under `{port}`, or one as `{other}`")  # fmt: skip


def _help_unknown(port: str, draft: Draft) -> str | None:
    if port in draft.cls.Params.model_fields:
        return f"`{port}` is a parameter: write it under `with`"
    if port in KINDS:
        return None
    return "parameters of the implementation go under `with`"


def _check_arity(port: str, value: PortValue, labelled: bool, many: bool, findings: Findings) -> None:
    if labelled == (value.form is Form.MAPPING) and (many or labelled or value.form is Form.ONE):
        return
    wants = "labels with names" if labelled else "a name or a list of names" if many else "one name"
    example = f"{port}: {{label: NAME}}" if labelled else f"{port}: NAME"
    message = f"`{port}` takes {wants}, not {value.form.value}"
    findings.report("wrong-arity", message, value.span, help=f"write `{example}`")


# -- order -----------------------------------------------------------------------------------------------------------


def in_order(names: Names, findings: Findings) -> list[str]:
    """The stages so that each follows all it reads; each circle is reported once, and left out with what follows it."""
    flat = names.flat
    sound = flat.keys() - names.condemned
    needs = {name: [ref for _, ref in stage.refs() if ref.name in sound] for name, stage in flat.items()}
    readers: dict[str, list[str]] = {name: [] for name in flat}
    missing = {name: len(refs) for name, refs in needs.items()}
    for name, refs in needs.items():
        for ref in refs:
            readers[ref.name].append(name)
    place = {name: index for index, name in enumerate(flat)}
    ready = [(place[name], name) for name, count in missing.items() if not count]
    ordered: list[str] = []
    while ready:
        _, name = heappop(ready)
        ordered.append(name)
        for reader in readers[name]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, (place[reader], reader))
    _report_cycles([name for name in flat if missing[name]], needs, findings)
    return ordered


def _report_cycles(waiting: Sequence[str], needs: Mapping[str, Sequence[Ref]], findings: Findings) -> None:
    """Walk from every stage that waits, always to the first that it waits for, until a stage comes up again."""
    seen: set[str] = set()
    left = set(waiting)
    for start in waiting:
        path: list[Ref] = []
        names: list[str] = []
        name = start
        while name not in seen:
            seen.add(name)
            names.append(name)
            ref = next(ref for ref in needs[name] if ref.name in left)
            path.append(ref)
            name = ref.name
        if name in names:
            at = names.index(name)
            _report_cycle(names[at:], path[at:], findings)


def _report_cycle(names: Sequence[str], refs: Sequence[Ref], findings: Findings) -> None:
    if any(findings.condemned(ref.span) for ref in refs):
        return
    message = f"Stages wait for one another: {' -> '.join([*names, names[0]])}"
    if len(names) == 1:
        message = f"`{names[0]}` waits for itself"
    others = tuple(Label(ref.span, f"`{name}` reads `{ref}`") for name, ref in zip(names[1:], refs[1:], strict=True))
    label = f"`{names[0]}` reads `{refs[0]}`"
    findings.report("cycle", message, refs[0].span, label, secondary=others[:5], help="let one read something else")


# -- types -----------------------------------------------------------------------------------------------------------


def connect(draft: Draft, graph: Graph) -> dict[str, tuple[Edge, ...]] | None:
    """The edges of a stage whose predecessors have been connected; None where something is not known or not right."""
    before = len(graph.findings)
    found: dict[str, tuple[Edge, ...]] = {}
    complete = True
    for port, value in draft.spec.ports.items():
        if port not in draft.cls.takes and port not in draft.cls.asks:
            continue
        labels: Iterable[str | None] = value.labels or [None] * len(value.refs)
        edges = [_edge(ref, label, graph) for ref, label in zip(value.refs, labels, strict=True)]
        good = [edge for edge in edges if edge is not None]
        complete = complete and len(good) == len(edges) and bool(edges)
        for edge in good:
            _check_edge(port, edge, draft, graph)
        found[port] = tuple(good)
    if complete and len(graph.findings) == before:
        _check_inputs(draft, found, graph)
    _check_outputs(draft, found, graph)
    graph.base_model[draft.spec.name] = _base_models(draft, found, graph)
    return found if complete and len(graph.findings) == before else None


def _check_inputs(draft: Draft, edges: Mapping[str, tuple[Edge, ...]], graph: Graph) -> None:
    """What the stage itself says about what flows into it."""
    if draft.params is None:
        return
    flows = {port: [edge.flow for edge in there] for port, there in edges.items()}
    for port, said in draft.cls.check_inputs(draft.params, flows):
        code, span = (
            ("wrong-type", draft.spec.ports[port].span) if port in edges else ("missing-input", draft.spec.span)
        )
        graph.findings.report(code, said, span)


def _edge(ref: Ref, label: str | None, graph: Graph) -> Edge | None:
    """What a reference leads to; None where that is not known (which has been reported) or the output is wrong."""
    from constitutional.ports import MAIN, PolicyModel

    gives: Mapping[str, Flow]
    if ref.name in graph.names.condemned:
        return None
    if ref.name in graph.models:
        gives, what = {MAIN: PolicyModel}, "a model"
    elif ref.name in graph.data:
        gives, what = {MAIN: graph.data[ref.name].record}, "a data set"
    elif ref.name in graph.gives:
        gives, what = graph.gives[ref.name], "a stage"
    else:
        return None
    output = ref.output or MAIN
    if output in gives:
        return Edge(ref, ref.name, output, gives[output], label)
    _unknown_output(ref, gives, what, graph)
    return None


def _unknown_output(ref: Ref, gives: Mapping[str, Flow], what: str, graph: Graph) -> None:
    outputs = [name for name in gives if name]
    written = ref.name.partition(".")[0] if ref.name in graph.names.flat else ref.name
    if ref.output is None:
        choice = listed([f"`{ref.name}.{name}`" for name in outputs], "write one of")
        graph.findings.report("unknown-output", f"`{written}` has several outputs", ref.span, choice)
        return
    stages = getattr(graph.names.spec.stages.get(written), "stages", {})
    help = None
    if ref.output in stages:
        help = f"a stage of one round is `{written}.1.{ref.output}`"
    label = did_you_mean(ref.output, outputs, listed(outputs, "its outputs are") or f"it is {what} with one output")
    graph.findings.report("unknown-output", f"`{written}` has no output `{ref.output}`", ref.span, label, help=help)


def _check_edge(port: str, edge: Edge, draft: Draft, graph: Graph) -> None:
    from constitutional.ports import fits

    ask, taken = draft.cls.asks.get(port), draft.cls.takes.get(port)
    wanted: Any = taken.type if taken is not None else _asked(ask)
    if not fits(edge.flow, wanted):
        label = Label(graph.place(edge.target), f"`{edge.ref}` gives {edge.flow.__name__}")
        message = f"`{port}` takes {wanted.__name__}, but `{edge.ref}` gives {edge.flow.__name__}"
        graph.findings.report("wrong-type", message, edge.ref.span, secondary=(label,), help=_way_out(edge, wanted))
        return
    if ask is not None:
        _check_asked(edge, ask, draft, graph)
    if taken is not None:
        _check_weights(edge, wanted, draft, graph)


def _way_out(edge: Edge, wanted: Any) -> str | None:
    """The kind of stage that makes what is wanted of what there is."""
    ways = {
        ("Response", "Critique"): "a critic", ("Critique", "Response"): "a reviser", ("Pair", "Vote"): "a labeller",
        ("Vote", "Preference"): "a debiaser", ("Prompt", "Response"): "a generator", ("Pair", "Preference"):
        "a labeller and a debiaser",
        ("Prompt", "Pair"): "the generator `pair`", ("Preference", "RewardModel"): "a trainer",
    }  # fmt: skip
    way = ways.get((edge.flow.__name__, wanted.__name__))
    return f"{way} makes {wanted.__name__} of {edge.flow.__name__}" if way else None


def _asked(ask: Any) -> Any:
    from constitutional.backend import Capability
    from constitutional.ports import PolicyModel, RewardModel

    return RewardModel if ask.capability == Capability.SCORES else PolicyModel


def _check_asked(edge: Edge, ask: Any, draft: Draft, graph: Graph) -> None:
    """Whether the backend behind a model gives what is asked."""
    base = base_of(edge.target, graph)
    model = graph.models.get(base or "")
    if model is None or ask.capability in model.essence.cls.gives:
        return
    what = {"TEXT": "text", "CHOICES": "probabilities of choices", "SCORES": "scores",
            "LIKELIHOOD": "log-probabilities of given texts"}  # fmt: skip
    wanted = " and ".join(what.get(str(one.name), str(one.name).lower()) for one in ask.capability)
    message = f"{draft.title} asks for {wanted}, which backend `{model.spec.backend}` does not give"
    label = Label(model.spec.backend_span, f"`{model.spec.name}` is asked through this backend")
    graph.findings.report("capability", message, edge.ref.span, secondary=(label,), help="use another backend or stage")


def _check_weights(edge: Edge, wanted: Any, draft: Draft, graph: Graph) -> None:
    """Whether a model that is to be trained has weights here."""
    from constitutional.ports import PolicyModel

    model = graph.models.get(edge.target)
    if model is None or wanted is not PolicyModel or model.backend.cls.weights(model.params) is not None:
        return
    message = f"{draft.title} needs the weights of `{edge.ref}`, and backend `{model.spec.backend}` has none"
    label = Label(model.spec.backend_span, "only a model whose weights are here can be trained")
    graph.findings.report("capability", message, edge.ref.span, secondary=(label,))


def base_of(name: str, graph: Graph) -> str | None:
    """The configured model that a model's weights began as."""
    if name in graph.models:
        return name
    bases = graph.base_model.get(name, {})
    return bases.get("model") or next(iter(bases.values()), None)


def _base_models(draft: Draft, edges: Mapping[str, tuple[Edge, ...]], graph: Graph) -> dict[str, str]:
    from constitutional.ports import PolicyModel

    found: dict[str, str] = {}
    for port, there in edges.items():
        taken = draft.cls.takes.get(port)
        if port not in draft.cls.asks and not (taken is not None and issubclass(taken.type, PolicyModel)):
            continue
        for edge in there:
            base = base_of(edge.target, graph)
            if base is not None:
                found[port if edge.label is None else f"{port}.{edge.label}"] = base
    return found


def _check_outputs(draft: Draft, edges: Mapping[str, tuple[Edge, ...]], graph: Graph) -> None:
    """Note what the stage gives; an output of type `Record` is what flows into its rows."""
    from constitutional.records import Record

    if draft.params is None:
        return
    gives = dict(draft.cls.gives(draft.params))
    rows = _rows(draft, edges)
    if Record in gives.values():
        if not rows:
            return
        _check_uniform(rows, graph)
    graph.gives[draft.spec.name] = {name: rows[0].flow if flow is Record else flow for name, flow in gives.items()}


def _rows(draft: Draft, edges: Mapping[str, tuple[Edge, ...]]) -> Sequence[Edge]:
    from constitutional.records import Record

    ports = [port for port, taken in draft.cls.takes.items() if taken.type is Record]
    port = "rows" if "rows" in ports else ports[0] if ports else "rows"
    return edges.get(port, ())


def _check_uniform(rows: Sequence[Edge], graph: Graph) -> None:
    first = rows[0]
    for other in rows[1:]:
        if other.flow is not first.flow:
            message = f"`{other.ref}` gives {other.flow.__name__}, but `{first.ref}` gives {first.flow.__name__}"
            label = Label(first.ref.span, f"{first.flow.__name__} here")
            help = "rows that are put together must be of one type"
            graph.findings.report("wrong-type", message, other.ref.span, secondary=(label,), help=help)


# -- require ---------------------------------------------------------------------------------------------------------


def check_require(draft: Draft, findings: Findings) -> None:
    """Figures that the stage does not measure."""
    if not draft.spec.require or draft.params is None:
        return
    figures = list(draft.cls.figures(draft.params))
    labels = _figure_labels(draft)
    known = [f"{label}.{figure}" for label in labels for figure in figures] if labels is not None else figures
    for key, bounds in draft.spec.require.items():
        if key not in known:
            otherwise = listed(known) or f"{draft.title} measures nothing"
            findings.report(
                "unknown-figure", f"There is no figure `{key}`", bounds.key_span, did_you_mean(key, known, otherwise)
            )


def _figure_labels(draft: Draft) -> list[str] | None:
    """The labels that stand before a figure's name; None for a stage without labelled ports."""
    ports: list[tuple[str, Any]] = [*draft.cls.takes.items(), *draft.cls.asks.items()]
    labelled = [port for port, one in ports if one.labelled]
    if not labelled:
        return None
    return [label for port in labelled for label in (draft.spec.ports[port].labels if port in draft.spec.ports else ())]
