"""What the emulator does not have, refused by its name with its line, before a compiler finds words for it."""

import re
from collections.abc import Iterator

_NAMES = (
    (
        r"\btexture\s*<|\btex(?:[123]D|CubeMap)\w*\s*[<(]|\bcuda\w*Texture\w*|\bsurface\s*<|\bsurf[123]D\w*\s*[<(]"
        r"|\bcuda\w*Surface\w*|\bcudaMalloc3?D?Array\b|\bcudaArray(?:_t)?\b|\bcudaMemcpy\w*Array\w*",
        "textures, surfaces and CUDA's arrays are not emulated: use plain memory",
    ),
    (
        r"\bcudaLaunchCooperativeKernelMultiDevice\b|\bthis_multi_grid\b",
        "there is one device, and this is for several",
    ),
    (
        r"\bcudaGraph(?!ics)\w*|\bcudaStreamBeginCapture\b",
        "CUDA's graphs are not emulated: launch the kernels one by one",
    ),
    (
        r"\bcudaGraphics\w*|\bcudaGL\w*|\bcudaIpc\w*|\bcudaExternal\w*",
        "what CUDA shares with other programs is not emulated",
    ),
    (
        r"\bcu(?:Init|(?:Device|Ctx|Module|Launch|Mem)[A-Z]\w*)\s*\(",
        "the driver's own interface is not emulated: use the runtime's, cudaMalloc and <<<...>>>",
    ),
    (
        r"\b(?:cublas|cudnn|cufft|curand|cusparse|cusolver|nccl|npp)[A-Z]\w*\s*\(|\bthrust\s*::|\bcub\s*::"
        r"|\bcuda\s*::\s*(?!(?:aligned_size_t|barrier|make_pipeline|memcpy_async|pipeline\w*|thread_scope\w*)\b)\w",
        "the emulator has CUDA C++ itself, and not its libraries",
    ),
)
_PATTERN = re.compile("|".join(f"(?P<kind{i}>{pattern})" for i, (pattern, _) in enumerate(_NAMES)))


def find_unsupported(code: str) -> Iterator[tuple[int, str]]:
    """Where each such name stands in a text without comments, and what to say of it. What a file defines itself is its
    own: a function, a variable or a macro of that name."""
    for match in _PATTERN.finditer(code):
        name = re.match(r"\w+", match[0])[0]
        own = rf"#\s*define\s+{name}\b|\b(?:void|int|float|double|bool|auto|struct|class|namespace)\s+{name}\b"
        if not re.search(own, code):
            yield match.start(), f"{name}: {_NAMES[int(match.lastgroup.removeprefix('kind'))][1]}"
