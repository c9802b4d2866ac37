"""The graph: names to edges to order.  The only file that knows networkx."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any


def order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Names so that each follows all it needs; among equals, the order of the mapping.

    Raises:
        CycleError: if there is a cycle.
    """
    place = {name: index for index, name in enumerate(needs)}
    # The standard library here: networkx takes longer to import than a plan of a hundred stages to make.
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        raise CycleError(cycle(needs) or []) from None
    ready, found = [(place[name], name) for name in sorter.get_ready()], []
    heapq.heapify(ready)
    while ready:
        _, name = heapq.heappop(ready)
        found.append(name)
        sorter.done(name)
        for freed in sorter.get_ready():
            heapq.heappush(ready, (place[freed], freed))
    return found


def cycle(needs: Mapping[str, Iterable[str]]) -> list[str] | None:
    """One cycle as names, first and last the same, or None."""
    import networkx as nx

    try:
        edges = nx.find_cycle(_graph(needs))
    except nx.NetworkXNoCycle:
        return None
    return [edges[0][0], *(edge[1] for edge in edges)]


def depths(needs: Mapping[str, Iterable[str]], ordered: Sequence[str]) -> dict[str, int]:
    """Length of the longest way that leads to each name."""
    found: dict[str, int] = {}
    for name in ordered:
        found[name] = 1 + max((found[need] for need in needs[name]), default=-1)
    return found


def _graph(needs: Mapping[str, Iterable[str]]) -> Any:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(needs)
    graph.add_edges_from((need, name) for name, all_needs in needs.items() for need in all_needs)
    return graph


class CycleError(ValueError):
    """A cycle among names; `names` holds it, first and last the same."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(" -> ".join(names))
        self.names = tuple(names)
