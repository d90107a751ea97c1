"""What a run says while it runs: a line an epoch, and on a terminal a moving line in between."""

import io
import sys
import time
from typing import TextIO


class Progress:
    """Prints to `stream` (standard output if not given). `start_step`: steps done before, in a resumed run."""

    def __init__(self, steps: int, start_step: int = 0, stream: TextIO | None = None) -> None:
        self.steps, self.start_step = steps, start_step
        self.stream = stream or sys.stdout or io.StringIO()  # None: it was closed
        self.started = self.last = time.perf_counter()

    def moving(self, step: int, epoch: int, epochs: int, loss: float, rate: float) -> None:
        """Rewrite the moving line, ten times a second at most; nothing where the stream is no terminal."""
        now = time.perf_counter()
        if self.stream.isatty() and now - self.last > 0.1:
            self.last = now
            self._rewrite(f"epoch {epoch}/{epochs}  loss {loss:.4f}  {rate:,.0f} images/s  {self._left(step)} left")

    def features(self, done: int, images: int) -> None:
        """The moving line of a model that only looks: so many of the images are done; the last one's line stays."""
        now = time.perf_counter()
        text = f"features of {done:,}/{images:,} images  {done / (now - self.started):,.0f} images/s"
        if done >= images:
            self.line(text)
            self.started = time.perf_counter()  # the training's, whose time left is told from here on
        elif self.stream.isatty() and now - self.last > 0.1:
            self.last = now
            self._rewrite(text)

    def _rewrite(self, text: str) -> None:
        self.stream.write(f"\r{text:<78}")
        self.stream.flush()

    def epoch(self, record: dict[str, float], epochs: int) -> None:
        """The line that stays: what `history` holds of this epoch."""
        rate = f"{record['images_per_second']:,.0f} images/s  " if "images_per_second" in record else ""
        accuracy = f"accuracy {record['test_accuracy']:.2%}  " if "test_accuracy" in record else ""
        text = (
            f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  train loss {record['train_loss']:.4f}  "
            f"test loss {record['test_loss']:.4f}  {accuracy}{rate}{self._left(record['steps'])} left"
        )
        self.line(text)

    def line(self, text: str) -> None:
        self.stream.write(f"\r{text:<78}\n" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()

    def _left(self, step: float) -> str:
        done = step - self.start_step
        seconds = (time.perf_counter() - self.started) / max(1, done) * (self.steps - step)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
