"""What all tests share: a cluster of three nodes for those that kill none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import Nodes, cluster_of


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """A head that runs nothing, and two nodes."""
    with cluster_of(first=1, second=1) as found:
        yield found
