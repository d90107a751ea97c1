"""What is proved: operations.py lists every operation, joints.py the layers made of operations, models.py and family.py
small models; proof.py holds each against differences."""

from .family import FAMILY
from .joints import JOINTS
from .models import CONFIGS
from .operations import OPS, noise
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
