"""Published figures of judges, win rates, refusals and votes, made again from the published judgments.

    python benchmarks/published_judgments.py --mt-bench HUMAN GPT4 --llmbar JUDGMENTS PUBLISHED \\
        --alpaca ANNOTATIONS PUBLISHED --xstest FILE... --palms FILE... --polis FOLDER [--json FILE]

Any of them may be left out.  No model is asked: verdicts become the votes of a run, and its debiaser, agreement, win rates
and intervals do the rest.  Prints ours beside the published; ends with 1 where a figure differs by more than is allowed for
it, and with 2 where a file cannot be read.  Files of the same form from elsewhere do as well: what is published about
names that they do not have is left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.published_judgments import alpaca, evasive, llmbar, mt_bench, polis, xstest
from benchmarks.published_judgments.lines import Study, table
from constitutional.api import UserError, printable


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    seconds: dict[str, float] = {}
    studies: list[Study] = []
    try:
        for name, run in asked(options):
            started = time.perf_counter()
            studies.append(run())
            seconds[name] = round(time.perf_counter() - started, 2)
            show(studies[-1])
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    if not studies:
        parser().error("name at least one study")
    if options.json:
        said = {"studies": {study.name: study.to_json() for study in studies}, "seconds": seconds,
                "machine": {"python": platform.python_version(), "system": platform.system()}}  # fmt: skip
        options.json.write_text(
            json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    return int(any(line.agrees is False for study in studies for line in study.lines))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--mt-bench", type=Path, nargs=2, metavar=("HUMAN", "GPT4"))
    made.add_argument("--llmbar", type=Path, nargs=2, metavar=("JUDGMENTS", "PUBLISHED"))
    made.add_argument("--alpaca", type=Path, nargs=2, metavar=("ANNOTATIONS", "PUBLISHED"))
    made.add_argument("--xstest", type=Path, nargs="+", metavar="FILE")
    made.add_argument("--palms", type=Path, nargs="+", metavar="FILE")
    made.add_argument("--polis", type=Path, metavar="FOLDER")
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


def asked(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Study]]]:
    """The studies whose files are given, in a fixed order."""
    if options.mt_bench:
        yield "mt_bench", lambda: mt_bench.study(*options.mt_bench)
    if options.llmbar:
        yield "llmbar", lambda: llmbar.study(*options.llmbar)
    if options.alpaca:
        yield "alpaca", lambda: alpaca.study(*options.alpaca)
    if options.xstest:
        yield "xstest", lambda: xstest.study(options.xstest)
    if options.palms:
        yield "palms", lambda: evasive.study(options.palms)
    if options.polis:
        yield "polis", lambda: polis.study(options.polis)


def show(study: Study) -> None:
    print(f"\n## {study.name}\n\n{table(study.lines)}\n")
    for told in study.warnings:
        print(f"- beware: {printable(told)}")


if __name__ == "__main__":
    raise SystemExit(main())
