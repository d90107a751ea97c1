"""What is proved: cases.py lists every operation and the small models, joints.py the layers made of operations;
proof.py holds each against differences."""

from .cases import CONFIGS, FAMILY, OPS, noise
from .joints import JOINTS
from .proof import (
    check_joint,
    check_joints,
    check_model,
    check_model_at_init,
    check_models,
    check_op,
    check_ops,
    order_one_parameters,
)

__all__ = [
    "CONFIGS",
    "FAMILY",
    "JOINTS",
    "OPS",
    "check_joint",
    "check_joints",
    "check_model",
    "check_model_at_init",
    "check_models",
    "check_op",
    "check_ops",
    "noise",
    "order_one_parameters",
]
