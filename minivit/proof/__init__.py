"""What is proved: cases.py lists every operation and the small models, proof.py holds each against differences."""

from .cases import CONFIGS, FAMILY, OPS, noise
from .proof import check_model, check_model_at_init, check_models, check_op, check_ops, order_one_parameters

__all__ = [
    "CONFIGS",
    "FAMILY",
    "OPS",
    "check_model",
    "check_model_at_init",
    "check_models",
    "check_op",
    "check_ops",
    "noise",
    "order_one_parameters",
]
