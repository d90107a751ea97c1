"""An oracle for those who test kernels: a kernel beside a reference in NumPy, at the sizes where kernels go wrong.

Before the kernel is believed, the test itself is tried: three kernels that do no work must fail it, else it is unsound.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .errors import LaunchError
from .module import Kernel
from .sizes import launch_sizes

WARP = 32
PROBED = 1000  # a size at which a launch is asked for its block, where none was given
ORDERS = 4  # of blocks and warps; the first is the ascending one

Size = tuple[int, ...]


@dataclass(frozen=True)
class Mismatch:
    """What went wrong at one size, in the order of that number."""

    size: Size
    order: int
    message: str

    def __str__(self) -> str:
        return f"{_shown(self.size)}, order {self.order}: {self.message}"


@dataclass(frozen=True)
class Comparison:
    """What came of it. True where the check is sound, at least one size was run, and all of them were right.

    unsound: why passing would mean nothing. varying: outputs whose bits depend on the order, within the tolerance.
    """

    kernel: str
    sizes: list[Size]
    mismatches: list[Mismatch] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    varying: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.sizes) and not self.mismatches and not self.unsound

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.unsound:
            head = f"{self.kernel}: this check is unsound, and the kernel was not run"
            return "\n".join([head, *(f"    {reason}" for reason in self.unsound)])
        sizes = ", ".join(map(_shown, self.sizes))
        wrong = {mismatch.size for mismatch in self.mismatches}
        verdict = f"wrong at {len(wrong)} of {len(self.sizes)} sizes" if wrong else "equal to the reference"
        lines = [f"{self.kernel}: {verdict} (sizes {sizes}; {ORDERS} orders of blocks and warps)"]
        lines += [f"    {mismatch}" for mismatch in self.mismatches]
        lines += [f"    remark: the last bits of {name} depend on the order of the blocks" for name in self.varying]
        return "\n".join(lines)


@dataclass
class _Case:
    """One size: the launch, what the reference makes of it, and which arrays that fills."""

    size: Size
    grid: object
    block: object
    args: tuple
    shared: int
    expected: dict[str, np.ndarray]
    kept: frozenset[str]  # of those, the ones whose old content counts


def compare(
    kernel: Kernel,
    reference: Callable,
    sizes: Iterable[int | Size],
    launch: Callable,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    boundaries: bool = True,
) -> Comparison:
    """Run a kernel at many sizes and compare what it fills with what a reference fills. Returns a Comparison: print it.

    launch(n), or launch(rows, columns) where sizes are pairs, gives (grid, block, args) or (grid, block, args, shared)
    with fresh arrays. reference takes the same args and fills the same arrays, in place: what it changes is an output,
    which is poisoned before the kernel comes to it; all else must be left as it was. To `sizes` come those around the
    launch's own block and around a warp, unless boundaries=False. Right is |y − expected| ≤ atol + rtol |expected|.
    Raises ValueError where the reference fills nothing, or leaves NaN.
    """
    sizes = [_size(size) for size in sizes]
    if boundaries:
        sizes = _with_boundaries(kernel, sizes, launch)
    cases = [_case(kernel, reference, size, launch) for size in sizes]
    _let_all_know_the_outputs(kernel, cases)
    unsound = _unsound(kernel, cases, rtol, atol)
    if unsound:
        return Comparison(kernel.name, sizes, unsound=unsound)
    mismatches, varying = [], set()
    for case in cases:
        first = None
        for order in range(ORDERS):
            got, wrong = _run(kernel, case, order, rtol, atol)
            if wrong:
                mismatches.append(Mismatch(case.size, order, wrong))
                break
            first = first or got
            varying |= {name for name in got if got[name].tobytes() != first[name].tobytes()}
    return Comparison(kernel.name, sizes, mismatches, varying=sorted(varying))


def _size(size: int | Sequence[int]) -> Size:
    return tuple(int(n) for n in size) if isinstance(size, Sequence) else (int(size),)


def _with_boundaries(kernel: Kernel, sizes: list[Size], launch: Callable) -> list[Size]:
    """The sizes, and for each of their axes those around a block and around a warp; the other axes stay."""
    base = sizes[0] if sizes else (PROBED,)
    grid, block, *_ = _launch(kernel, launch, base)
    _, block = launch_sizes(kernel.name, grid, block, 0)
    threads = block[0] * block[1] * block[2]
    found = list(sizes)
    for axis in range(len(base)):
        # The last axis runs along x. A flat block has all axes along x.
        along = block[len(base) - 1 - axis] if block[1] * block[2] > 1 and len(base) <= 3 else threads
        near = {1, WARP - 1, WARP, WARP + 1, along - 1, along, along + 1, 2 * along + 1, threads, threads + 1}
        found += [(*base[:axis], n, *base[axis + 1 :]) for n in sorted(near - {0})]
    return list(dict.fromkeys(found))


def _launch(kernel: Kernel, launch: Callable, size: Size) -> tuple:
    given = launch(*size)
    if not isinstance(given, tuple) or len(given) not in (3, 4) or not isinstance(given[2], Sequence):
        raise TypeError(f"{kernel.name}: launch{size} gave {type(given).__name__}, expected (grid, block, args) or "
                        "(grid, block, args, shared)")  # fmt: skip
    if len(given[2]) != len(kernel.parameters):
        raise TypeError(f"{kernel.name} takes {len(kernel.parameters)} arguments, launch{size} gave {len(given[2])}")
    return given


def _case(kernel: Kernel, reference: Callable, size: Size, launch: Callable) -> _Case:
    grid, block, args, *shared = _launch(kernel, launch, size)
    args = tuple(args)
    once = _fresh(args)
    reference(*once)
    arrays = {p.name: i for i, p in enumerate(kernel.parameters) if isinstance(args[i], np.ndarray)}
    filled = {name: once[i] for name, i in arrays.items() if once[i].tobytes() != args[i].tobytes()}
    poisoned = _fresh(args)
    for name, expected in filled.items():
        poisoned[arrays[name]][...] = _poison(expected)
    with np.errstate(all="ignore"), contextlib.suppress(Exception):  # what poison leads to is no matter
        reference(*poisoned)
    # What comes out otherwise now was made of what had been there, or was not filled to its end.
    same = {name for name in filled if poisoned[arrays[name]].tobytes() == filled[name].tobytes()}
    for name, expected in filled.items():
        if expected.dtype.kind == "f" and np.isnan(expected).any():
            raise ValueError(f"{kernel.name}: the reference leaves NaN in {name} at size {_shown(size)}")
        constant = kernel.parameters[arrays[name]].constant
        if constant:
            raise ValueError(f"{kernel.name}: the reference changes {name}, which is an input: its pointer is const")
    return _Case(size, grid, block, args, shared[0] if shared else 0, filled, frozenset(filled) - same)


def _let_all_know_the_outputs(kernel: Kernel, cases: list[_Case]) -> None:
    """What is an output at one size is one at all of them, also where it happens to come out as it was."""
    outputs = {name for case in cases for name in case.expected}
    for i, parameter in enumerate(kernel.parameters):
        for case in cases if parameter.name in outputs else ():
            if parameter.name not in case.expected:
                case.expected[parameter.name] = case.args[i].copy()
                case.kept |= {parameter.name}


def _fresh(args: tuple) -> list:
    return [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]


def _poison(expected: np.ndarray) -> np.ndarray:
    """What no right kernel would leave: NaN, or each integer's bits turned over."""
    return np.full_like(expected, np.nan) if expected.dtype.kind == "f" else ~expected


def _close(got: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    if got.dtype.kind == "b":
        return got == expected
    with np.errstate(invalid="ignore", over="ignore"):
        got, expected = got.astype(np.float64), expected.astype(np.float64)
        return (got == expected) | (np.abs(got - expected) <= atol + rtol * np.abs(expected))


def _unsound(kernel: Kernel, cases: list[_Case], rtol: float, atol: float) -> list[str]:
    """Why passing would mean nothing: outputs that kernels without any work would fill rightly, at every size."""
    reasons = []
    names = [p.name for p in kernel.parameters]
    outputs = [name for name in names if any(name in case.expected for case in cases)]
    if cases and not outputs:
        raise ValueError(f"{kernel.name}: the reference fills no array; it takes the kernel's arguments and fills them "
                         "in place: y[:] = x + 1")  # fmt: skip
    for name in outputs:
        lazy: dict[str, Callable] = {
            "does nothing": lambda case, name=name: _before(case, names, name),
            "writes zeros": lambda case, name=name: np.zeros_like(case.expected[name]),
        }
        for other, parameter in zip(names, kernel.parameters, strict=True):
            if parameter.pointer and other != name:
                lazy[f"copies {other}"] = lambda case, name=name, other=other: _copied(case, names, name, other)
        for what, make in lazy.items():
            tried = [(case.expected[name], make(case)) for case in cases]
            if all(made is not None and _close(made, e, rtol, atol).all() for e, made in tried):
                reasons.append(f"a kernel that {what} would pass for {name} (rtol {rtol:g}, atol {atol:g}): choose "
                               "other inputs, or a smaller tolerance")  # fmt: skip
    return reasons


def _before(case: _Case, names: list[str], name: str) -> np.ndarray:
    """What an output holds when the kernel starts."""
    return case.args[names.index(name)] if name in case.kept else _poison(case.expected[name])


def _copied(case: _Case, names: list[str], name: str, other: str) -> np.ndarray | None:
    """The beginning of another array, in an output's place; None where that is too short."""
    source, expected = case.args[names.index(other)], case.expected[name]
    if not isinstance(source, np.ndarray) or source.size < expected.size or source.dtype.kind not in "fiub":
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return source.reshape(-1)[: expected.size].reshape(expected.shape).astype(expected.dtype)


def _run(kernel: Kernel, case: _Case, order: int, rtol: float, atol: float) -> tuple[dict[str, np.ndarray], str]:
    """One launch: the outputs, and what is wrong with them, or with the inputs after it."""
    names = [p.name for p in kernel.parameters]
    args = _fresh(case.args)
    for name, expected in case.expected.items():
        if name not in case.kept:
            args[names.index(name)][...] = _poison(expected)
    try:
        kernel(case.grid, case.block, *args, shared=case.shared, order=order)
    except LaunchError as error:
        return {}, str(error)
    after = dict(zip(names, args, strict=True))
    for name, before in zip(names, case.args, strict=True):
        unlike = isinstance(before, np.ndarray) and before.tobytes() != after[name].tobytes()
        if unlike and name not in case.expected:
            return {}, f"{name} was changed, and the reference leaves it as it is"
    for name, expected in case.expected.items():
        if wrong := _difference(name, after[name], expected, rtol, atol):
            return {}, wrong
    return {name: after[name] for name in case.expected}, ""


def _difference(name: str, got: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> str:
    right = _close(got, expected, rtol, atol)
    if right.all():
        return ""
    at = np.unravel_index(int(np.argmin(right)), right.shape)
    index = f"{name}[{', '.join(map(str, at))}]"
    untouched = got.dtype.kind == "f" and np.isnan(got[at])
    what = "NaN: never written, or made of what was not" if untouched else f"{got[at]}"
    return f"{index} is {what}, expected {expected[at]}; {(~right).sum():,} of {right.size:,} are wrong"


def _shown(size: Size) -> str:
    return str(size[0]) if len(size) == 1 else "×".join(map(str, size))
