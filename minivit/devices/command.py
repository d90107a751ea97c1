"""python -m minivit kernels: what each kernel needs on each kind of GPU, as NVIDIA's compiler says. No GPU is used."""

import argparse
from collections.abc import Iterable

from .static import Facts, capabilities, disassembler, every_launch, examine

TITLES = ("kernel", "sm", "registers", "stack", "spills", "shared", "128-bit", "warps", "limited by")
LEFT = ("kernel", "limited by")  # the columns of words; numbers are aligned on the right


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="*", help="only kernels whose name holds one of these, like layernorm or float")
    parser.add_argument(
        "--sm", nargs="+", type=int, metavar="80", help="compute capabilities; all that are known if not given"
    )


def kernels(args: argparse.Namespace) -> int:
    """Compile every CUDA kernel for every kind of GPU, and list registers, memory and occupancy."""
    there = capabilities()
    if missing := sorted(set(args.sm or ()) - set(there)):
        raise ValueError(f"--sm {missing[0]}: expected some of {', '.join(map(str, there))}")
    launches = every_launch()
    if strange := [text for text in args.text if not any(text in row.kernel for row in launches)]:
        raise ValueError(f"no kernel has {' or '.join(map(repr, strange))} in its name")
    if args.text:
        launches = [row for row in launches if any(text in row.kernel for text in args.text)]
    facts = examine(launches, args.sm or there)
    print(table(facts))
    print(
        "\nregisters: a thread; stack, spills: bytes a thread in slow local memory; shared: bytes a block"
        "\n128-bit: of the loads and stores of global memory in the code"
        "\nwarps: that a multiprocessor holds, of how many, and what is in the way of more"
    )
    if disassembler() is None:
        print("128-bit is unknown: pip install nvidia-cuda-nvdisasm")
    slow = [f"{fact.launch.kernel} on sm_{fact.capability}" for fact in facts if fact.stack or fact.spills]
    print(f"\nuse local memory: {', '.join(slow)}" if slow else "\nno kernel uses local memory")
    return 0


def table(facts: Iterable[Facts]) -> str:
    """One line a kernel and compute capability."""
    rows = [TITLES]
    for fact in facts:
        wide = "?" if fact.accesses is None else f"{fact.accesses.get(128, 0)}/{sum(fact.accesses.values())}"
        warps = fact.occupancy
        numbers = (fact.capability, fact.registers, fact.stack, fact.spills, fact.shared, wide, warps, warps.limit)
        rows.append((fact.launch.kernel, *map(str, numbers)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = zip(TITLES, row, widths, strict=True)
    aligned = (cell.ljust(width) if title in LEFT else cell.rjust(width) for title, cell, width in cells)
    return "  ".join(aligned).rstrip()
