"""Every small mistake that can be made in a file of Python, found in its syntax tree; mutants.py plants them.

A mistake replaces one expression or statement: another operator or comparison, a number with another last digit, axes
and arguments in another order, an option or a statement left out, a condition turned round. Left alone are texts,
types, decorators and what a `raise` says; and `strict=`, which only guards.
"""

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
PAIRS = (
    ("sum", "mean"), ("max", "min"), ("maximum", "minimum"), ("argmax", "argmin"), ("zeros", "ones"),
    ("zeros_like", "ones_like"), ("floor", "ceil"), ("cos", "sin"), ("any", "all"), ("cumsum", "cumprod"),
    ("keys", "values"), ("startswith", "endswith"), ("append", "remove"), ("isfinite", "isnan"),
)  # fmt: skip
COMMUTATIVE = ("min", "max", "multiply", "add", "maximum", "minimum", "array_equal", "allclose", "samefile", "swapaxes")
OTHER = dict(PAIRS) | {b: a for a, b in PAIRS}


@dataclass(frozen=True)
class Mutation:
    """In `file` the bytes from `start` to `end` become `new`. lines: where one must look to see whom it concerns."""

    file: str
    kind: str
    name: str
    start: int
    end: int
    new: bytes
    lines: tuple[int, ...]

    def of(self, source: bytes) -> bytes:
        return source[: self.start] + self.new + source[self.end :]

    def compiles(self, source: bytes) -> bool:
        try:
            compile(self.of(source), self.file, "exec")
        except SyntaxError:
            return False
        return True


def mutations(source: bytes, file: str) -> list[Mutation]:
    """All of them, in the order of the file; a few do not compile."""
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    found = []
    for kind, node, new, lines in _walk(ast.parse(source), ()):
        start, end = (begins[node.lineno - 1] + node.col_offset, begins[node.end_lineno - 1] + node.end_col_offset)
        if source[start:end].decode() == new or _any_negative(source, start, new):
            continue
        whole = source[begins[node.lineno - 1] : begins[node.end_lineno]].decode()
        cut = start - begins[node.lineno - 1], end - begins[node.lineno - 1]
        after = (whole.encode()[: cut[0]] + new.encode() + whole.encode()[cut[1] :]).decode()
        # Named by what stands there, not by the line's number: so it is known again when lines above it change.
        name = f"{file}: {_short(whole)} => {_short(after)}"
        found.append(Mutation(file, kind, name, start, end, new.encode(), lines))
    return found


def _any_negative(source: bytes, start: int, new: str) -> bool:
    """-2 in a reshape, which NumPy takes for -1."""
    line = source[source.rfind(b"\n", 0, start) + 1 : start]
    return new == "2" and line.endswith(b"-") and b"reshape(" in line


def _short(text: str) -> str:
    return " ".join(text.split())


def _walk(node: ast.AST, lines: tuple[int, ...]) -> Iterator[tuple[str, ast.AST, str, tuple[int, ...]]]:
    """kind, the node to replace, the new text, the lines that run when it does."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        # Defaults are evaluated at import: they concern whoever calls the function.
        body = node.body if isinstance(node, ast.FunctionDef) else [node.body]
        inside = tuple(range(body[0].lineno, body[-1].end_lineno + 1))
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)):
            yield from _walk(default, inside)
        for child in body:
            if not _is_text(child):
                yield from _walk(child, ())
        return
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_text(node):
        return
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            yield from _walk(child, ())
        return
    if (
        isinstance(node, ast.stmt)
        and not lines
        and not isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try)
    ):
        lines = tuple(range(node.lineno, node.end_lineno + 1))
    own = lines or tuple(range(node.lineno, node.lineno + 1)) if hasattr(node, "lineno") else lines
    for kind, new in _changes(node):
        yield kind, node, new, own
    if isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield "condition turned round", node.test, f"(not {ast.unparse(node.test)})", own
    if isinstance(node, ast.Raise):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "ctx", "type"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or (isinstance(child, ast.keyword) and child.arg == "strict"):
                continue
            # The head of an if or a loop runs where its own first line does, its body where each statement does.
            head = (
                own if isinstance(child, ast.expr | ast.comprehension | ast.keyword | ast.withitem | ast.slice) else ()
            )
            yield from _walk(child, head)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[tuple[str, str]]:
    said = ast.unparse
    if isinstance(node, ast.BinOp):
        for other in OPERATORS.get(type(node.op), ()):
            yield "operator", f"({said(ast.BinOp(node.left, other(), node.right))})"
        if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
            yield "operands exchanged", f"({said(ast.BinOp(node.right, node.op, node.left))})"
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in OPERATORS.get(type(node.ops[0]), ()):
            yield "comparison", f"({said(ast.Compare(node.left, [other()], node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        for other in OPERATORS[type(node.op)]:
            yield "and for or", f"({said(ast.BoolOp(other(), node.values))})"
        rest = ast.BoolOp(node.op, node.values[1:]) if len(node.values) > 2 else node.values[1]
        yield "part of a condition left out", f"({said(rest)})"
    elif isinstance(node, ast.UnaryOp):
        yield "sign or not left out", f"({said(node.operand)})"
    elif isinstance(node, ast.Constant):
        yield from _numbers(node.value)
    elif isinstance(node, ast.IfExp):
        yield "choices exchanged", f"({said(ast.IfExp(node.test, node.orelse, node.body))})"
    elif isinstance(node, ast.Attribute) and node.attr in OTHER:
        yield "another function", f"{said(node.value)}.{OTHER[node.attr]}"
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Slice):
        if node.lower is not None:
            yield "slice", said(ast.Slice(None, node.upper, node.step))
        if node.upper is not None:
            yield "slice", said(ast.Slice(node.lower, None, node.step))
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        swapped = [node.elts[1], node.elts[0], *node.elts[2:]]
        if said(swapped[0]) != said(swapped[1]) and not all(
            isinstance(e, ast.Constant | ast.Slice) for e in swapped[:2]
        ):
            yield "order", f"({', '.join(said(e) for e in swapped)})"
    elif isinstance(node, ast.stmt):
        yield from _statements(node)


def _numbers(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "truth value", str(not value)
    elif isinstance(value, int):
        yield "number", str(value + 1)
    elif isinstance(value, float) and math.isfinite(value):
        digits, mark, exponent = repr(value).partition("e")
        yield "number", digits[:-1] + str((int(digits[-1]) + 1) % 10 or 1) + mark + exponent


def _calls(node: ast.Call) -> Iterator[tuple[str, str]]:
    said = ast.unparse
    if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "len", "super", "getattr", "hasattr"):
        return
    first = node.args[:2]
    alike = (node.func.attr if isinstance(node.func, ast.Attribute) else said(node.func)) in COMMUTATIVE
    starred = any(isinstance(argument, ast.Starred) for argument in first)
    if len(first) == 2 and not alike and not starred and said(first[0]) != said(first[1]):
        yield "arguments exchanged", said(ast.Call(node.func, [*first[::-1], *node.args[2:]], node.keywords))
    for keyword in node.keywords:
        if keyword.arg not in (None, "strict"):
            rest = [other for other in node.keywords if other is not keyword]
            yield "option left out", said(ast.Call(node.func, node.args, rest))


def _statements(node: ast.stmt) -> Iterator[tuple[str, str]]:
    said = ast.unparse
    if isinstance(node, ast.Expr | ast.Raise | ast.Continue | ast.Break):
        yield "statement left out", "pass"
    elif isinstance(node, ast.AugAssign):
        yield "statement left out", "pass"
        yield "= for an update", said(ast.Assign([node.target], node.value, lineno=0))
        for other in OPERATORS.get(type(node.op), ()):
            yield "operator", said(ast.AugAssign(node.target, other(), node.value))
    elif isinstance(node, ast.Assign):
        target = node.targets[0]
        read = {inner.id for inner in ast.walk(node.value) if isinstance(inner, ast.Name)}
        again = isinstance(target, ast.Name) and target.id in read
        if again or isinstance(target, ast.Subscript | ast.Attribute):
            yield "statement left out", "pass"
