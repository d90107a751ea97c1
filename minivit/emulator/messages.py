"""A compiler's messages, cut down to what the writer of a kernel can use."""

import re

from .source import source_lines

_ERROR = re.compile(r"^(.+?):(\d+):(?:\d+:)? (?:fatal )?[Ee]rror: (.*)$", re.MULTILINE)
_MOST = 8  # errors shown; the first is the one that counts

# What a learner may have tried, and what to say to that.
_HINTS = (
    (r"__half|\bhalf2?\b|bfloat16", "numbers of 16 bits want #include <cuda_fp16.h> or <cuda_bf16.h>"),
    (
        r"'__(?:shfl(?:_up|_down|_xor)?|ballot|any|all)' was not",
        "CUDA 13 has them no more: __shfl_sync(0xffffffff, ...) and the like name the lanes that take part",
    ),
    (r"cooperative_groups|\bcg::", "of cooperative groups there are blocks, tiles, coalesced groups and cg::reduce"),
    (r"\basm\b|no such instruction|invalid instruction", "inline PTX runs on a GPU only"),
    (
        r"u?int(8|16|32|64)_t|\bFLT_MAX\b|\bINFINITY\b|\bDBL_MAX\b|std::",
        "NVRTC, NVIDIA's compiler at run time, has no standard library: include <stdint.h> or <math.h>, or write "
        "unsigned for uint32_t and __int_as_float(0x7f800000) for INFINITY",
    ),
    (r"frame size", "a thread's own arrays are too large"),
    (r"at end of input|expected '}'|namespace.* not allowed here", "is a { never closed?"),
    (r"forming pointer to reference", "a kernel takes pointers and numbers, no references"),
    (r"incomplete type 'emulator::Entry", "a kernel returns void: __global__ void name(...)"),
)

_UNCLOSED_STRING = (
    'a " is not closed on its line. In a Python string \\n is a line break: write r""" before the kernel, or \\\\n'
)


def readable(messages: str, source: str) -> str:
    """The errors as file:line: message, each with its line of the flattened source, and a hint where one is known."""
    lines = source_lines(source)
    found = list(dict.fromkeys(_ERROR.findall(messages)))
    if not found:
        return _linker(messages)
    shown, hints = [], []
    files = {file for file, _ in lines}
    own = [error for error in found if error[0] in files]
    for file, line, message in found:  # what an error in our headers means, a hint may tell
        text = lines.get((file, int(line)), "").strip()
        hints += [hint for pattern, hint in _HINTS if re.search(pattern, f"{message} {text}")]
    if any(lines.get((file, int(line)), "").count('"') % 2 for file, line, _ in own):
        hints = [_UNCLOSED_STRING]  # all else follows from it
    hints = [hint if hint.endswith("?") else f"{hint}." for hint in dict.fromkeys(hints)]
    if not own and hints:
        return "\n".join(f"{', '.join(sorted(files))}: {hint}" for hint in hints)
    found = own or found
    for file, line, message in found[:_MOST]:
        text = lines.get((file, int(line)), "").strip()
        shown.append(f"{file}:{line}: {message}" + (f"\n    {text}" if text else ""))
    if len(found) > _MOST:
        shown.append(f"... and {len(found) - _MOST} more errors")
    return "\n".join(shown + [f"Hint: {hint}" for hint in hints])


def _linker(messages: str) -> str:
    missing = sorted(
        set(re.findall(r"undefined (?:reference to|symbol:) [`']?(?:TLS init function for )?([\w:]+)", messages))
    )
    if not missing:
        return messages.strip()
    return (
        f"{', '.join(missing)}: declared, but defined nowhere in this file: if another one has it, #include that. "
        "Dynamic shared memory is declared outside of every namespace, like this: extern __shared__ float tile[];"
    )
