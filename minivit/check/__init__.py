"""What an exercise calls: is an answer right (questions.py, gradients.py, answers.py), and if not, why (reasons.py)?"""

from .answers import answer
from .exercise import exercise
from .gradients import grad
from .questions import Wrong, call, catches, close, kernel, pair, shape

__all__ = ["Wrong", "answer", "call", "catches", "close", "exercise", "grad", "kernel", "pair", "shape"]
