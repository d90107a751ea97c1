"""What an exercise calls: questions.py asks whether an answer is right, reasons.py finds why it may be wrong."""

from .questions import Wrong, answer, call, catches, close, grad, kernel, pair, shape

__all__ = ["Wrong", "answer", "call", "catches", "close", "grad", "kernel", "pair", "shape"]
