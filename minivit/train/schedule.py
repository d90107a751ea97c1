"""The learning rate over time: a linear warm-up, then half a cosine down to zero (arXiv 1608.03983)."""

import math


def warmup_cosine(step: int, steps: int, warmup: int, peak: float) -> float:
    """The rate of step 1 … steps: rises to `peak` at step `warmup`, and falls to 0 just after the last one."""
    if step <= warmup:
        return peak * step / warmup
    progress = (step - warmup) / (steps + 1 - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
