"""How much does a check notice? Small changes to each exercise's solution, and what share its check refuses.

python course/mutate.py              all chapters
python course/mutate.py 07 14.2      a chapter, an exercise

A mutant is the solution with one thing changed in the lines that are the learner's: an operator, a comparison, a
number, an axis, an index, two arguments or results exchanged, a statement left out (in a kernel's C++ likewise, by its
text). Not counted are mutants that do not compile or miss a name, and those that equal_mutants.json lists, with the
reason why they do the same. Exits with 1 where less than 90 % of an exercise's mutants are refused.
"""

import argparse
import ast
import contextlib
import difflib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from build import read_chapters
from builder.source import Chapter, Exercise
from threadpoolctl import threadpool_limits

EQUAL = Path(__file__).with_name("equal_mutants.json")  # {"07.2": {mutant: reason}}
WANTED, SECONDS = 0.9, 10  # of CPU time
PASSES, REFUSED, STILLBORN = 0, 1, 2
OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mod, ast.Div), ast.Mod: (ast.FloorDiv,), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
NAMES = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum",
         "argmax": "argmin", "sqrt": "square", "exp": "log", "log": "exp", "sin": "cos", "cos": "sin", "repeat": "tile",
         "floor": "ceil", "var": "std"}  # fmt: skip
CPP = {r" \+ ": " - ", r" - ": " + ", r" \* ": " / ", r" / ": " * ", r" < ": " <= ", r" <= ": " < ", r" > ": " < ",
       r" == ": " != ", r"\+=": "=", r"threadIdx\.x": "blockIdx.x", r"blockDim\.x": "gridDim.x", r"fmaxf": "fminf",
       r"^.*;\s*$": ";", r"(?<![\w.])\d+(?![\w.])": lambda m: str(int(m[0]) + 1)}  # fmt: skip
SWAPPED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv, ast.Mod)  # operands that may not be exchanged
SYMMETRIC = ("swapaxes", "maximum", "minimum", "allclose", "array_equal", "hypot")


def changes(node: Any) -> Iterator[Any]:
    """What may stand in the place of a node."""
    match node:
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, new(), right) for new in OPERATORS.get(type(op), ()))
            yield from (left, right)
            if isinstance(op, SWAPPED):
                yield ast.BinOp(right, op, left)
        case ast.Compare(left, [op], right):
            yield from (ast.Compare(left, [new()], right) for new in OPERATORS.get(type(op), ()))
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(OPERATORS[type(op)][0](), values), values[0])
        case ast.UnaryOp():
            yield node.operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)) | ast.Constant(float(0.0 | 1.0 as value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(float(value)):
            yield ast.Constant(value * 1.5)
        case ast.Call(func, args, keywords):
            name = getattr(func, "attr", getattr(func, "id", ""))
            if len(args) > 1 and not isinstance(args[0], ast.Starred) and name not in SYMMETRIC:
                yield ast.Call(func, [args[1], args[0], *args[2:]], keywords)
            if len(args) == 1 and name not in ("float", "int", "list", "tuple"):
                yield args[0]
            less = (keywords[:i] + keywords[i + 1 :] for i in range(len(keywords)) if keywords[i].arg != "strict")
            yield from (ast.Call(func, args, fewer) for fewer in less)
        case ast.Attribute(value, "T"):
            yield value
        case ast.Attribute(value, str(name)) if name in NAMES:
            yield ast.Attribute(value, NAMES[name], node.ctx)
        case ast.Subscript(value, _, ast.Load()):
            yield value
        case ast.Slice(lower, upper, step):
            yield from (ast.Slice(None, upper, step),) * bool(lower)
            yield from (ast.Slice(lower, None, step),) * bool(upper)
        case ast.Tuple([first, second, *rest]) if not isinstance(first, ast.Constant):
            yield ast.Tuple([second, first, *rest], node.ctx)
        case ast.If(test, body, other) | ast.IfExp(test, body, other):
            yield type(node)(ast.UnaryOp(ast.Not(), test), body, other)
        case ast.AugAssign(target, op, value):
            yield from (ast.Assign([target], value, lineno=0), ast.AugAssign(target, OPERATORS[type(op)][0](), value))
        case ast.Expr(ast.Call()):
            yield ast.Pass()
    if isinstance(node, ast.Assign | ast.AugAssign | ast.For | ast.If):
        yield ast.Pass()


def learners_lines(exercise: Exercise) -> set[int]:
    """Numbers of the solution's lines that are the learner's to write, from 1."""
    lines, mine, found = exercise.solution.splitlines(), "YOUR TURN" not in exercise.solution, set()
    for number, line in enumerate(lines, 1):
        if line.strip() in ("# YOUR TURN", "// YOUR TURN", "# END", "// END"):
            mine = "YOUR" in line
        elif mine:
            found.add(number)
    return found


def mutants(exercise: Exercise) -> dict[str, str]:
    """What is changed ("before → after"), and the whole solution with it."""
    tree, mine = ast.parse(exercise.solution), learners_lines(exercise)
    found, whole = {"": ""}, ast.unparse(tree)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            for i, child in enumerate(value if isinstance(value, list) else [value]):
                if getattr(child, "lineno", 0) not in mine or isinstance(parent, ast.JoinedStr):
                    continue
                for new in changes(child):
                    new = deepcopy(new)
                    setattr(parent, field, [*value[:i], new, *value[i + 1 :]] if isinstance(value, list) else new)
                    mutant = ast.unparse(ast.fix_missing_locations(tree))
                    found.setdefault(_difference(whole, mutant), mutant)
                setattr(parent, field, value)
    lines = exercise.solution.splitlines()
    for number in sorted(mine if "__global__" in exercise.solution else ()):
        code, slashes, comment = lines[number - 1].partition("//")
        for pattern, new in CPP.items():
            for match in re.finditer(pattern, code):
                changed = code[: match.start()] + re.sub(pattern, new, match[0]) + code[match.end() :]
                text = "\n".join([*lines[: number - 1], changed + slashes + comment, *lines[number:]])
                found.setdefault(f"{number}: {code.strip()} → {changed.strip()}", text)
    del found[""]
    return found


def _difference(old: str, new: str) -> str:
    told = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[:1] in "-+"]
    before, after = ([line[2:].strip() for line in told if line[0] == sign] for sign in "-+")
    return f"{' ⏎ '.join(before)} → {' ⏎ '.join(after)}" if told else ""


def judge(namespace: dict, answer: str, line: str) -> int:
    """What the check says of an answer, in a process of its own: a mutant may spoil what others need, or never end."""
    sys.stdout.flush()
    if not (child := os.fork()):
        verdict = REFUSED
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            exec(compile(answer, "<answer>", "exec"), namespace)
            exec(compile(line, "<check>", "exec"), namespace)
            verdict = PASSES
        except BaseException as error:
            if re.search(r"NameError|UnboundLocalError|SyntaxError|CompileError|cells above", f"{error!r} {error}"):
                verdict = STILLBORN
        finally:
            os._exit(verdict)
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else REFUSED  # it ran out of time


def try_exercise(chapter: Chapter, number: int, equal: dict[str, str]) -> tuple[int, list[str]]:
    """How many mutants count, and those that pass. Raises ValueError where the solution itself does not pass."""
    exercise = chapter.exercises[number - 1]
    namespace: dict = {"__name__": "__main__", "In": []}
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        for cell in (*chapter.setup, *exercise.given):
            exec(compile(cell, chapter.name, "exec"), namespace)
    line = f'check.exercise("{chapter.number}.{number}")'
    if judge(namespace, exercise.solved, line) != PASSES:
        raise ValueError(f"the solution of {chapter.number}.{number} does not pass: is the chapter built?")
    verdicts = {name: judge(namespace, code, line) for name, code in mutants(exercise).items() if name not in equal}
    counted = [name for name, verdict in verdicts.items() if verdict != STILLBORN]
    return len(counted), [name for name in counted if verdicts[name] == PASSES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", metavar="NN or NN.N", help="chapters or exercises; all without any")
    which = parser.parse_args().which
    equal = json.loads(EQUAL.read_text(encoding="utf-8"))
    weak, os.environ["MINIVIT_FAST"] = False, "1"
    for chapter in read_chapters():
        counted = passing = 0
        for number, exercise in enumerate(chapter.exercises, 1):
            name = f"{chapter.number}.{number}"
            if which and not {chapter.number, name} & set(which):
                continue
            count, survivors = try_exercise(chapter, number, equal.get(name, {}))
            counted, passing = counted + count, passing + len(survivors)
            weak |= count - len(survivors) < WANTED * count
            print(f"{name} {exercise.title}: {count - len(survivors)} of {count} refused", flush=True)
            for survivor in survivors:
                print(f"    passes: {survivor}")
        if counted:
            print(f"{chapter.number}: {counted - passing} of {counted}, {1 - passing / counted:.1%}\n", flush=True)
    sys.exit(int(weak))


if __name__ == "__main__":
    with threadpool_limits(1):  # a process is forked for each mutant
        main()
