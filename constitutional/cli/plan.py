"""`constitutional plan`: what a run would do, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from constitutional.cli.opening import Opened, open_spec, root_option, spec_options


@click.command()
@spec_options
@root_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--mermaid", is_flag=True, help="The graph as a Mermaid diagram.")
@click.option("--estimate", "estimated", is_flag=True, help="Calls, tokens and dollars, scaled from a preview.")
def plan(
    spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, as_json: bool, mermaid: bool, estimated: bool
) -> int:
    """Show each step of a spec: done, partly done or to do, and the reason."""
    for one in open_spec(spec, sets, plugins):
        if mermaid:
            from constitutional.report.diagram import mermaid as draw

            click.echo(draw(one.plan))
        elif estimated:
            _estimate(one, root, as_json)
        else:
            _show(one, root, as_json)
    return 0


def _estimate(one: Opened, root: Path, as_json: bool) -> None:
    from constitutional.plan.estimate import estimate
    from constitutional.store.folder import Store

    found = estimate(one.plan, Store(root))
    if as_json:
        click.echo(json.dumps({name: {n: getattr(e, n) for n in e.__slots__} for name, e in found.items()}, indent=1))
        return
    wide = max(len(name) for name in found)
    click.echo(f"{'':<{wide}}  {'rows':>10}  {'calls':>10}  {'tokens':>13}  {'dollars <=':>10}")
    for name, e in found.items():
        click.echo(
            f"{name:<{wide}}  {e.rows:>10,.0f}  {e.calls:>10,.0f}  {e.tokens:>13,.0f}  {_money(e.dollars):>10}  {e.basis}"
        )
    known = None if any(e.dollars is None for e in found.values()) else sum(e.dollars or 0.0 for e in found.values())
    calls, tokens = sum(e.calls for e in found.values()), sum(e.tokens for e in found.values())
    click.echo(f"{'in all':<{wide}}  {'':>10}  {calls:>10,.0f}  {tokens:>13,.0f}  {_money(known):>10}")


def _money(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"{dollars:,.2f}"


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
