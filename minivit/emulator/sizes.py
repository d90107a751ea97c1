"""How large a launch may be: what every GPU takes."""

import operator

MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65535, 65535)
STATIC_SHARED = 48 * 1024
MAX_SHARED = 227 * 1024


def launch_sizes(kernel: str, grid: int | tuple, block: int | tuple, shared: int) -> tuple[tuple, tuple]:
    """Grid and block as (x, y, z). Raises ValueError for what no GPU takes."""
    grid, block = _three(kernel, "grid", grid, MAX_GRID), _three(kernel, "block", block, MAX_BLOCK)
    threads = block[0] * block[1] * block[2]
    if threads > MAX_THREADS:
        raise ValueError(f"{kernel}: a block of {block} has {threads} threads, expected at most {MAX_THREADS}")
    if not 0 <= operator.index(shared) <= MAX_SHARED:
        raise ValueError(
            f"{kernel}: shared is {shared} bytes, expected 0 … {MAX_SHARED}. On a GPU a block gets {STATIC_SHARED}; "
            "more, up to 64 KB or 227 KB as the GPU has, only when it asks "
            "(in CuPy: kernel.max_dynamic_shared_size_bytes)."
        )
    return grid, block


def _three(kernel: str, what: str, size: int | tuple, most: tuple) -> tuple[int, int, int]:
    sizes = tuple(size) if isinstance(size, tuple | list) else (size,)
    if not 1 <= len(sizes) <= 3:
        raise ValueError(f"{kernel}: {what} is {size}, expected a whole number or up to three of them")
    try:
        sizes = tuple(operator.index(n) for n in sizes) + (1,) * (3 - len(sizes))
    except TypeError:
        raise TypeError(
            f"{kernel}: {what} is {size!r}, expected whole numbers (// divides without a remainder)"
        ) from None
    for axis, n, limit in zip("xyz", sizes, most, strict=True):
        if not 1 <= n <= limit:
            raise ValueError(f"{kernel}: {what} is {size}, its {axis} is {n}, expected 1 … {limit}")
    return sizes
