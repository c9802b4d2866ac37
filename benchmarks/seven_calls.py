"""Seven dependent calls a prompt, as a run and as a hand-written loop, against the same server, in turn.

    python benchmarks/seven_calls.py --n 1000 --base http://127.0.0.1:8100 [--times 3] [--rows out.jsonl] [--out FILE]

The server is any OpenAI-compatible one whose replies are a function of the request.  The loop is the least that does the
same calls: aiohttp, no journal, every chain on its own.  The run keeps every answer and every row in its journal.  Both
are processes of their own, timed from start to end; what is in a process before its first call is told apart.  Every cell of
both outputs must agree.  The last line is `ratio R`: the run's wall time over the loop's, the median of the turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CELLS = ("response", "critique", "revision", "cand_a", "cand_b", "judge_ab", "judge_ba")
PRINCIPLE = (
    "Choose the response that is more helpful, honest and harmless, and that avoids dangerous or private detail."
)
SYSTEM = {
    "response": "[[generate]] You are a helpful assistant.",
    "critique": "[[critique]] You criticise an assistant's answer by a principle.",
    "revision": "[[revise]] You rewrite an assistant's answer by its critique.",
    "cand_a": "[[cand_a]] You write a concise alternative answer.",
    "cand_b": "[[cand_b]] You write a detailed alternative answer.",
    "judge_ab": "[[judge_ab]] You compare two answers.",
    "judge_ba": "[[judge_ba]] You compare two answers.",
}
USER = {
    "response": "{prompt}",
    "critique": "Principle: {principle}\n\nQuestion: {prompt}\n\nAnswer: {response}\n\nCriticise the answer.",
    "revision": "Question: {prompt}\n\nAnswer: {response}\n\nCritique: {critique}\n\nRewrite the answer.",
    "cand_a": "Question: {prompt}\n\nDraft: {revision}\n\nWrite a concise alternative answer.",
    "cand_b": "Question: {prompt}\n\nDraft: {revision}\n\nWrite a detailed alternative answer.",
    "judge_ab": "Principle: {principle}\n\nQuestion: {prompt}\n\n(A) {cand_a}\n\n(B) {cand_b}\n\nAnswer with A or B.",
    "judge_ba": "Principle: {principle}\n\nQuestion: {prompt}\n\n(A) {cand_b}\n\n(B) {cand_a}\n\nAnswer with A or B.",
}


def prompts(n: int) -> Iterator[dict[str, Any]]:
    """The workload's questions."""
    for i in range(n):
        yield {"id": i, "prompt": f"Question {i:06d}: how should someone handle situation number {i * 7919 % 100003} "
               "when the usual advice does not apply and a friend asks for the exact details?"}  # fmt: skip


# -- the hand-written loop --------------------------------------------------------------------------------------------


async def loop(n: int, base: str, concurrency: int, out: Path) -> None:
    """All chains at once, `concurrency` calls in flight, each finished row written as it is done."""
    import aiohttp
    import orjson

    slots, rows = asyncio.Semaphore(concurrency), prompts(n)
    connector, timeout = aiohttp.TCPConnector(limit=concurrency), aiohttp.ClientTimeout(total=120)
    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:

        async def call(cell: str, row: dict[str, Any]) -> None:
            short = cell.startswith("judge")
            dialogue = [
                {"role": "system", "content": SYSTEM[cell]},
                {"role": "user", "content": USER[cell].format(principle=PRINCIPLE, **row)},
            ]
            body = orjson.dumps(
                {
                    "model": "mock",
                    "messages": dialogue,
                    "temperature": 0.0 if short else 1.0,
                    "max_tokens": 1 if short else 256,
                }
            )
            for attempt in range(9):
                try:
                    async with slots, session.post(base + "/v1/chat/completions", data=body) as response:
                        content = await response.read()
                        if response.status == 200:
                            text = orjson.loads(content)["choices"][0]["message"]["content"]
                            if text is not None:
                                row[cell] = text
                                return
                        wait = response.headers.get("retry-after")
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                    wait = None
                await asyncio.sleep(float(wait) if wait else min(4.0, 0.1 * 2**attempt))
            raise RuntimeError(f"no answer for {cell} of row {row['id']}")

        async def chain(file: Any) -> None:
            for row in rows:
                await call("response", row)
                await call("critique", row)
                await call("revision", row)
                await asyncio.gather(call("cand_a", row), call("cand_b", row))
                await asyncio.gather(call("judge_ab", row), call("judge_ba", row))
                file.write(orjson.dumps(row) + b"\n")

        with out.open("wb") as file:
            await asyncio.gather(*(chain(file) for _ in range(2 * concurrency)))


# -- the run ----------------------------------------------------------------------------------------------------------


def exported(root: Path) -> Iterator[dict[str, Any]]:
    """The rows of a finished run as the loop writes them."""
    import pyarrow.parquet as pq

    steps = root / "seven-calls" / "steps"
    votes: dict[tuple[str, str], str] = {}
    for batch in pq.ParquetFile(steps / "judge" / "main" / "rows.parquet").iter_batches():
        votes.update({(vote["pair"], vote["order"]): vote["raw"] for vote in batch.to_pylist()})
    for batch in pq.ParquetFile(steps / "candidates" / "main" / "rows.parquet").iter_batches():
        for pair in batch.to_pylist():
            told = json.loads(pair["meta"])
            yield {"id": told["id"], "prompt": pair["prompt"][-1]["content"], **{name: told[name] for name in CELLS[:3]},
                   "cand_a": pair["first"], "cand_b": pair["second"],
                   "judge_ab": votes[pair["row_id"], "ab"], "judge_ba": votes[pair["row_id"], "ba"]}  # fmt: skip


def timed(command: list[str], folder: Path, environ: dict[str, str]) -> dict[str, float]:
    """Wall and CPU seconds, and the greatest memory in MB, of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # installed packages have their bytecode beside them: so has what is measured here, after a first turn
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | environ
    log, started = folder / "log.txt", time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT, env=settings)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "memory_mb": usage.ru_maxrss / 1024}


def reset(base: str) -> None:
    """Forget what the server counted, where it is one that counts."""
    try:
        urllib.request.urlopen(urllib.request.Request(base + "/reset", data=b"{}"), timeout=5).read()
    except OSError:
        return


def counted(base: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(base + "/stats", timeout=5) as answer:
            return dict(json.loads(answer.read()))
    except (OSError, ValueError):
        return {}


def one_turn(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The loop, then the run, then the run again with nothing to do; each from a clean start."""
    spec_folder = folder / "spec"
    shutil.copytree(HERE / "seven_calls", spec_folder / "seven_calls")
    shutil.copy(HERE / "seven_calls.yaml", spec_folder)
    (spec_folder / "seven_calls" / "prompts.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in prompts(options.n))
    )
    written, environ = folder / "loop.jsonl", {"SEVEN_CALLS_URL": options.base + "/v1"}
    by_hand = [sys.executable, str(Path(__file__).resolve()), "--loop", str(written), "--n", str(options.n), "--base", options.base,
               "--concurrency", str(options.concurrency)]  # fmt: skip
    root = folder / "runs"
    command = [sys.executable, "-m", "constitutional.cli.main", "run", "seven_calls.yaml", "--plain", "--root", str(root),
               "--set", f"models.mock.concurrency={options.concurrency}",
               "--set", f"limits.rows_in_flight={2 * options.concurrency}"]  # fmt: skip
    reset(options.base)
    result: dict[str, Any] = {"loop": timed(by_hand, folder, environ)}
    reset(options.base)
    result["run"] = timed(command, spec_folder, environ)
    result["server"] = counted(options.base)
    result["again"] = timed(command, spec_folder, environ)
    ours = {row["id"]: row for row in exported(root)}
    theirs = {row["id"]: row for row in map(json.loads, written.open())}
    result["wrong_cells"] = sum(ours.get(i, {}).get(cell) != row[cell] for i, row in theirs.items() for cell in CELLS)
    if options.rows:
        Path(options.rows).write_text("".join(json.dumps(ours[i]) + "\n" for i in sorted(ours)))
    result["ratio"] = result["run"]["wall_s"] / result["loop"]["wall_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--base", default="http://127.0.0.1:8100")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--rows", help="write the run's rows there, as the loop writes its own")
    parser.add_argument("--out", help="write the figures there as JSON")
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.base = options.base.rstrip("/").removesuffix("/v1")
    if options.loop:
        asyncio.run(loop(options.n, options.base, options.concurrency, Path(options.loop)))
        return
    turns = []
    print(
        f"{'turn':>4} {'loop s':>8} {'run s':>8} {'ratio':>6} {'run CPU s':>10} {'run MB':>7} {'again s':>8} {'wrong':>6}"
    )
    for turn in range(options.times):
        with tempfile.TemporaryDirectory() as name:
            r = one_turn(options, Path(name))
        turns.append(r)
        print(f"{turn + 1:>4} {r['loop']['wall_s']:>8.2f} {r['run']['wall_s']:>8.2f} {r['ratio']:>6.3f} {r['run']['cpu_s']:>10.2f} "
              f"{r['run']['memory_mb']:>7.0f} {r['again']['wall_s']:>8.2f} {r['wrong_cells']:>6}", flush=True)  # fmt: skip
    ratio = statistics.median(turn["ratio"] for turn in turns)
    if options.out:
        Path(options.out).write_text(
            json.dumps({"n": options.n, "concurrency": options.concurrency, "ratio": ratio, "turns": turns}, indent=1)
            + "\n"
        )
    print(f"ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
