"""Inline PTX of some fixed forms, which kernels for tensor cores cannot do without, made calls of C++ (inline_ptx.h).

`asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, …;" : "=f"(d[0]), … : "r"(a[0]), …);`
All other inline PTX stays as it is, and no compiler of a CPU takes it.
"""

import re

_ASM = re.compile(r"\b(?:asm|__asm__)\b\s*(?:volatile\b|__volatile__\b)?\s*\(")
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
_MMA = re.compile(r"mma\.sync\.aligned\.m16n8k(16|8)\.row\.col\.(f32|f16)\.(f16|bf16|tf32)\.\3\.\2")
_LDMATRIX = re.compile(r"ldmatrix\.sync\.aligned\.m8n8\.x([124])(\.trans)?\.shared(?:::cta)?\.b16")
_COPY = re.compile(r"cp\.async\.c[ag]\.shared(?:::cta)?\.global(?:\.L2::(?:64|128|256)B)?")
_HEADER = '#include "inline_ptx.h"\n'
HERE = "emulator::Place::here()"


def with_inline_ptx(source: str) -> str:
    """The source with each known asm as a call, and before it the header that has these, if there is any."""
    parts, done = [], 0
    for match in _ASM.finditer(source):
        end = _closing(source, match.end())
        call = _call(source[match.end() : end - 1]) if end and match.start() >= done else None
        if call is not None:
            text = source[match.start() : end]
            lost = "\\\n" * text.count("\\\n") + "\n" * len(re.findall(r"(?<!\\)\n", text))
            parts += [source[done : match.start()], call, lost]
            done = end
    return _HEADER + '#line 1 ""\n' + "".join([*parts, source[done:]]) if parts else source


def _closing(source: str, at: int) -> int:
    """Behind the bracket that closes; 0 where none does."""
    depth = 1
    for match in re.finditer(r'"(?:\\.|[^"\\])*"|[()]', source[at:]):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth == 0:
            return at + match.end()
    return 0


def _call(body: str) -> str | None:
    """What stands between asm's brackets as statements of C++; None for what is not known."""
    sections = _split(body.replace("\\\n", " "), ":")
    template = "".join(re.sub(r"\\[nt]", " ", text) for text in _STRING.findall(sections[0]))
    operands = [found for section in sections[1:3] for part in _split(section, ",") if (found := _operand(part))]
    alone = re.fullmatch(r"\s*\{(\s*[a-z].*)\}\s*", template, re.DOTALL)  # in braces of its own
    words = re.fullmatch(r"\s*([\w.:]+)\s*(.*?)\s*;?\s*", alone[1] if alone else template, re.DOTALL)
    if not words or ";" in words[2]:
        return None
    groups = [re.findall(r"%(\d+)", group) for group in re.findall(r"\{[^{}]*\}|\[[^\[\]]*\]|%\d+", words[2])]
    values = [[operands[int(number)] for number in group if int(number) < len(operands)] for group in groups]
    numbers = re.findall(r"(?<![%\w])\d+", re.sub(r"[\[{][^\]}]*[\]}]", " ", words[2]))
    return _known(words[1], values, numbers)


def _known(name: str, values: list[list[str]], numbers: list[str]) -> str | None:
    if (match := _MMA.fullmatch(name)) and len(values) == 4:
        k, wide, kind = int(match[1]), match[2] == "f32", match[3]
        counts = [4 if wide else 2, 4 if kind == "tf32" or k == 16 else 2, 2 if kind == "tf32" or k == 16 else 1]
        if [len(group) for group in values] != [*counts, counts[0]] or (kind != "f16" and not wide):
            return None
        if kind == "tf32":
            return _registers("mma_tf32", values) if k == 8 else None
        return _registers(f"mma_16<{k}, {str(kind == 'bf16').lower()}, {str(wide).lower()}>", values)
    if (match := _LDMATRIX.fullmatch(name)) and [len(group) for group in values] == [int(match[1]), 1]:
        shape = f"{match[1]}, {str(bool(match[2])).lower()}"
        return _filled(f"emulator::ldmatrix<{shape}>(emulator_d, unsigned({values[1][0]}), {HERE})", values[0])
    if _COPY.fullmatch(name) and [len(group) for group in values][:2] == [1, 1]:
        (to,), (source,), *more = values
        sizes = [*numbers, *(group[0] for group in more)]
        if not 1 <= len(sizes) <= 2:
            return None
        to = f"__cvta_shared_to_generic({to})"
        return f"emulator::copy_later({to}, (const void*)({source}), {sizes[0]}, {sizes[-1]}, {HERE})"
    if name == "cp.async.commit_group":
        return "emulator::commit_copies()"
    if name == "cp.async.wait_all":
        return "emulator::wait_for_copies(~0u)"
    if name == "cp.async.wait_group" and (left := [*numbers, *(group[0] for group in values)]):
        return f"emulator::wait_for_copies({left[0]})"
    if name == "cvt.rna.tf32.f32" and [len(group) for group in values] == [1, 1]:
        (to,), (x,) = values
        return f"emulator::from_register({to}, emulator::to_register(emulator::to_tf32({x})))"
    return None


def _registers(function: str, values: list[list[str]]) -> str:
    """A call that reads three groups of registers, and fills a fourth."""
    lists = []
    for name, group in zip("abc", values[1:], strict=True):
        registers = ", ".join(f"emulator::to_register({value})" for value in group)
        lists.append(f"emulator_{name}[] = {{{registers}}}")
    call = f"const unsigned {', '.join(lists)}; "
    return _filled(f"{call}emulator::{function}(emulator_d, emulator_a, emulator_b, emulator_c, {HERE})", values[0])


def _filled(call: str, outputs: list[str]) -> str:
    puts = "".join(f" emulator::from_register({value}, emulator_d[{i}]);" for i, value in enumerate(outputs))
    return f"do {{ unsigned emulator_d[{len(outputs)}]; {call};{puts} }} while (0)"


def _operand(text: str) -> str | None:
    """The expression of `"=f"(d[0])`, whose constraint may be written by a macro's argument."""
    match = re.fullmatch(r'\s*"[^"]*"\s*\((.*)\)\s*', text, re.DOTALL)
    return " ".join(match[1].split()) if match else None


def _split(text: str, mark: str) -> list[str]:
    """At the marks outside of brackets and quotes."""
    parts, depth = [""], 0
    for match in re.finditer(r'"(?:\\.|[^"\\])*"|.', text, re.DOTALL):
        token = match[0]
        depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
        if token == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return parts
