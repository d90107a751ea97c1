"""`python -m minivit check`: every gradient, as a table."""

import math
from collections.abc import Sequence

from ..gradcheck import TOLERANCE
from ..messages import near
from . import detectors, masked_models, proof
from .detectors import check_detectors
from .masked_models import check_masked_models
from .proof import check_joints, check_models, check_ops, holding


def check_all(text: Sequence[str] = ()) -> int:
    """Print a line for each operation, joint and model; with texts, of those that have one in their name.

    Returns 0 where every gradient is right, else 1. Raises ValueError where no name has one of the texts.
    """
    names = dict.fromkeys([*proof.OPS, *proof.JOINTS, *proof.CONFIGS, *proof.FAMILY])
    names |= dict.fromkeys([*masked_models.MAES, *masked_models.BERTS, *detectors.DETECTORS])
    if strange := [word for word in text if not holding(names, [word])]:
        meant = near(strange[0], names)
        guess = f"; did you mean {meant!r}?" if meant else ""
        raise ValueError(f"nothing that is checked has {' or '.join(map(repr, strange))} in its name{guess}")
    print(f"Analytic gradients against central differences in float64; relative errors up to {TOLERANCE:.0e} pass.")
    wrong = []
    models = ("whole model", check_models), ("masked model", check_masked_models), ("detector", check_detectors)
    for title, checks in (("operation", check_ops), ("joint", check_joints), *models):
        for i, (name, report) in enumerate(checks(text=text)):
            if i == 0:
                print(f"\n{title:<36}{'gradients':>10}{'elements':>10}{'largest error':>15}")
            elements = sum(math.prod(check.shape) for check in report.checks)
            verdict = "ok" if report.ok else "WRONG"
            print(f"{name:<36}{len(report.checks):>10}{elements:>10,}{report.error:>15.1e}  {verdict}", flush=True)
            wrong += [f"{name}: {check}" for check in report.checks if not check.ok]
    print("\n" + ("every gradient is right" if not wrong else "\n".join(wrong)))
    return 1 if wrong else 0
