"""How far one engine goes: a simulation of many replicas of a model that one engine keeps busy.

    python benchmarks/simulate_cluster.py [--rate 2000] [--replicas 8 64 ...] [--out FILE]

Every row takes three calls, one after another.  A replica works on `--slots` calls at once, each with a lognormal latency.
The engine is one server with a fixed cost a call, measured by `engine_rate.py`: it takes answers in the order in which they
come, keeps them, and sends the next call of the row.  Simulated are queues and latency; nothing of networks, failures or
the disk.  The table says how busy the replicas and the engine are, and what that means for 100 million rows.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from pathlib import Path
from typing import Any

CALLS = 3
#: Long enough that filling and emptying the replicas weighs little.
AT_LEAST_SECONDS = 300.0


def simulate(
    replicas: int, slots: int, median: float, sigma: float, rate: float, rows: int, seed: int = 1
) -> dict[str, Any]:
    """Seconds for so many rows, and the shares of time that replicas and engine are busy."""
    stream, places, cost = random.Random(seed), replicas * slots, 1.0 / (rate * CALLS)
    flying: list[tuple[float, int]] = []
    engine_free = busy_places = 0.0
    todo, done, sent = rows, 0, 0
    mu = math.log(median)

    def send(now: float, left: int) -> None:
        nonlocal engine_free, busy_places, sent
        engine_free = max(engine_free, now) + cost
        latency = stream.lognormvariate(mu, sigma)
        busy_places += latency
        sent += 1
        heapq.heappush(flying, (engine_free + latency, left))

    while todo and len(flying) < places:
        todo -= 1
        send(0.0, CALLS - 1)
    end = 0.0
    while flying:
        end, left = heapq.heappop(flying)
        if left:
            send(end, left - 1)
            continue
        done += 1
        if todo:
            todo -= 1
            send(end, CALLS - 1)
    return {"replicas": replicas, "places": places, "rows": done, "seconds": end, "rows_per_s": done / end,
            "replicas_busy": busy_places / (places * end), "engine_busy": sent * cost / end,
            "days_for_100m_rows": 1e8 / (done / end) / 86400}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rate", type=float, default=2000.0, help="rows a second of the engine alone, from engine_rate.py"
    )
    parser.add_argument("--slots", type=int, default=64, help="calls that a replica works on at once")
    parser.add_argument("--median", type=float, default=5.0, help="median seconds of a call")
    parser.add_argument("--sigma", type=float, default=0.6, help="spread of the logarithm of the latency")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 8, 64, 256, 1000])
    parser.add_argument("--out", help="write the figures there as JSON")
    options = parser.parse_args()
    found = []
    print(
        f"{'replicas':>9} {'calls at once':>14} {'rows/s':>8} {'replicas busy':>14} {'engine busy':>12} {'days for 100 M rows':>20}"
    )
    for replicas in options.replicas:
        mean = options.median * math.exp(options.sigma**2 / 2)
        rows = int(min(replicas * options.slots / (CALLS * mean), options.rate) * AT_LEAST_SECONDS)
        one = simulate(replicas, options.slots, options.median, options.sigma, options.rate, rows)
        found.append(one)
        print(f"{replicas:>9,} {one['places']:>14,} {one['rows_per_s']:>8,.0f} {one['replicas_busy']:>14.0%} {one['engine_busy']:>12.0%} "
              f"{one['days_for_100m_rows']:>20.1f}", flush=True)  # fmt: skip
    if options.out:
        Path(options.out).write_text(json.dumps({"rate": options.rate, "runs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
