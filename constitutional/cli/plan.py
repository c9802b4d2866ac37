"""`constitutional plan`: what a run would do, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.opening import Opened, open_spec, prices_option, root_option, spec_options

if TYPE_CHECKING:
    from constitutional.plan.prices import Prices


@click.command()
@spec_options
@root_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--mermaid", is_flag=True, help="The graph as a Mermaid diagram.")
@prices_option
@click.option("--estimate", "estimated", is_flag=True, help="Rows, calls, tokens, time and dollars of what is to do.")
def plan(
    spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, as_json: bool, mermaid: bool,
    prices: Path | None, estimated: bool,
) -> int:  # fmt: skip
    """Show each step of a spec: done, partly done or to do, and the reason; with --estimate, what it will cost."""
    for one in open_spec(spec, sets, plugins):
        if mermaid:
            from constitutional.report.diagram import mermaid as draw

            click.echo(draw(one.plan))
        elif estimated:
            from constitutional.plan.prices import load

            _estimate(one, root, load(prices), as_json)
        else:
            _show(one, root, as_json)
    return 0


def _estimate(one: Opened, root: Path, prices: Prices, as_json: bool) -> None:
    from constitutional.engine.meter import spent_by
    from constitutional.plan.estimate import estimate
    from constitutional.report.estimate import tell, to_json
    from constitutional.store.folder import Store

    store = Store(root)
    try:
        found, spending = estimate(one.plan, store, prices), spent_by(one.plan, store)
    finally:
        store.close()
    said = {"name": one.plan.name, **to_json(found, spending)}
    click.echo(json.dumps(said, indent=1, ensure_ascii=False) if as_json else "\n".join(tell(found, spending)))


def _show(one: Opened, root: Path, as_json: bool) -> None:
    from constitutional.plan.explain import explain
    from constitutional.store.folder import RunFolder, Store

    store = Store(root)
    whys = explain(one.plan, RunFolder(store, one.plan.name))
    if as_json:
        said = [_json(one, name, why) for name, why in whys.items()]
        click.echo(json.dumps({"name": one.plan.name, "steps": said}, indent=1))
    else:
        _table(one, whys)
    store.close()


def _json(one: Opened, name: str, why: Any) -> dict[str, Any]:
    step = one.plan[name]
    return {"step": name, "stage": step.path, "state": why.state.value, "reason": why.reason, "rows_done": why.rows_done,
            "rows": why.rows_total, "fingerprint": step.fingerprint, "needs": sorted(step.needs())}  # fmt: skip


def _table(one: Opened, whys: Any) -> None:
    wide = max(len(name) for name in whys)
    stages = max(len(one.plan[name].path) for name in whys)
    for name, why in whys.items():
        step = one.plan[name]
        state = why.state.value
        if why.rows_done:
            state += (
                f" ({why.rows_done:,} of {why.rows_total:,} rows)"
                if why.rows_total is not None
                else f" ({why.rows_done:,} rows)"
            )
        reason = f": {why.reason}" if why.reason else ""
        click.echo(f"{name:<{wide}}  {step.path:<{stages}}  {state}{reason}")
    todo = sum(why.state.value != "done" for why in whys.values())
    click.echo(f"\n{todo} of {len(whys)} steps to do" if todo else f"\nnothing to do: all {len(whys)} steps are done")
