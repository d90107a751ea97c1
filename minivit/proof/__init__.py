"""What is proved: operations.py lists every operation, joints.py the layers made of operations, models.py and family.py
small models; proof.py holds each against differences."""

from .detectors import DETECTORS, check_detector, check_detectors, small_detector
from .family import FAMILY
from .joints import JOINTS
from .masked_models import BERTS, MAES, check_bert, check_mae, check_masked_models, small_bert, small_mae
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
    "BERTS",
    "CONFIGS",
    "DETECTORS",
    "FAMILY",
    "JOINTS",
    "MAES",
    "OPS",
    "check_bert",
    "check_detector",
    "check_detectors",
    "check_joint",
    "check_joints",
    "check_mae",
    "check_masked_models",
    "check_model",
    "check_model_at_init",
    "check_models",
    "check_op",
    "check_ops",
    "noise",
    "order_one_parameters",
    "small_bert",
    "small_detector",
    "small_mae",
]
