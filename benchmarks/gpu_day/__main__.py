"""The command: bash benchmarks/gpu_day.sh, which sets the paths and asks this."""

import argparse
import importlib
import os
import sys
from pathlib import Path

PARTS = ("first", "second")

# The function of a step's name: in which file, and what it takes of the options. A file is loaded when its step is run,
# since CuPy must not be there before its stand-in is.
STEPS = {
    "env": ("environment", ("dry",)),
    "model": ("model", ("dry", "short")),
    "small": ("kernels", ("dry", "short", "float", "unset")),
    "profile": ("kernels", ("short",)),
    "ncu": ("ncu", ("dry", "short", "out")),
    "main": ("kernels", ("dry",)),
    "counters": ("counters", ("dry", "short", "out")),
    "clocks": ("clocks", ("dry",)),
    "times": ("times", ("dry",)),
    "vitb": ("times", ("dry",)),
    "large": ("large", ("dry",)),
    "chapters": ("chapters", ()),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("gpu_day.sh", description="What a GPU has to tell of minivit, on one page.")
    parser.add_argument("what", nargs="?", default="all", choices=("all", *PARTS, "step", "predict"))
    parser.add_argument("name", nargs="?", help="the step, after the word step: run it here, and print all it says")
    parser.add_argument("--dry", action="store_true", help="without a GPU, on the tests' stand-in for CuPy")
    parser.add_argument("--short", action="store_true", help="the heart of it, at tiny sizes")
    parser.add_argument("--only", nargs="+", default=(), metavar="STEP", help="these steps, as a part runs them")
    parser.add_argument(
        "--out", type=Path, default=Path(os.environ.get("OUT", "runs/gpu_day")), help="for log and page"
    )
    parser.add_argument("--records", type=Path, help="records.json of an earlier visit, to go on with")
    parser.add_argument("--float", action="store_true", help="of the small launches, those in float32")
    parser.add_argument("--unset", action="store_true", help="and outputs that hold whatever lay there, for initcheck")
    args = parser.parse_args(arguments)
    args.out = args.out.resolve()
    if args.what == "predict":
        from .counters import predict

        predict()
        return 0
    if args.what == "step":
        return run_here(args)
    from .plan import plan
    from .run import run

    steps = [step.name for step in plan(args.dry, args.short, args.out)]
    if unknown := set(args.only) - set(steps):
        parser.error(f"--only {sorted(unknown)[0]}: expected some of {' '.join(steps)}")
    parts = PARTS if args.what == "all" else (args.what,)
    return run(parts, args.dry, args.short, args.out, args.only, args.records)


def run_here(args: argparse.Namespace) -> int:
    """One step in this process. 1 where it found something."""
    if args.name not in STEPS:
        raise SystemExit(f"there is no step {args.name!r}, only {' '.join(STEPS)}")
    if args.dry:
        import fake_cupy

        sys.modules["cupy"] = fake_cupy
    from .findings import failures

    args.out.mkdir(parents=True, exist_ok=True)
    module, takes = STEPS[args.name]
    step = getattr(importlib.import_module(f"gpu_day.{module}"), args.name)
    step(*(getattr(args, name) for name in takes))
    if failures:
        print(f"{len(failures)} failed")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
