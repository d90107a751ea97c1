"""What a run says while it runs: a line an epoch, and on a terminal or in a notebook a moving line in between."""

import io
import sys
import time
from threading import Lock
from typing import TextIO

SILENT = (
    "  warning: no better than one answer for all images. If that lasts, nothing is learned: "
    "try another learning rate, most often a smaller one"
)


class Progress:
    """Prints to `stream` (standard output if not given). `start_step`: steps done before, in a resumed run; epochs, and
    images to test with: of a run whose steps are told, from the first one on. quiet: nothing is printed.

    A file or a pipe gets the lines that stay, and no moving one.
    """

    def __init__(
        self,
        steps: int,
        start_step: int = 0,
        epochs: int = 0,
        images: int = 0,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self.steps, self.start_step, self.epochs, self.images = steps, start_step, epochs, images
        self.looked = 0  # at so many test images
        self.stream = io.StringIO() if quiet else stream or sys.stdout or io.StringIO()  # None: it was closed
        notebook = type(self.stream).__module__.partition(".")[0] == "ipykernel"
        self.moves = notebook or self.stream.isatty()
        self.pause = 0.5 if notebook else 0.1  # seconds between two moves
        self.started, self.last = time.perf_counter(), -self.pause
        self._one_at_a_time = Lock()
        if epochs and start_step < steps:
            self._move(self._place(start_step + 1, start_step))  # the first step may take long

    def moving(self, step: int, loss: float, rate: float) -> None:
        """After a step."""
        self._move(f"{self._place(step, step)}  loss {loss:.4f}  {rate:,.0f} images/s  {self._left(step)} left")

    def testing(self, images: int) -> None:
        """After a look at so many test images more, by any thread."""
        with self._one_at_a_time:
            self.looked += images
            self._move(f"looking at test images  {(self.looked - 1) % self.images + 1:,}/{self.images:,}")

    def _place(self, step: int, done: int) -> str:
        """The epoch of a step, and how many of its steps are done."""
        of = self.steps // self.epochs
        epoch = (step - 1) // of
        return f"epoch {epoch + 1}/{self.epochs}  step {done - epoch * of}/{of}"

    def features(self, done: int, images: int) -> None:
        """The moving line of a model that only looks: so many of the images are done; the last one's line stays."""
        now = time.perf_counter()
        text = f"features of {done:,}/{images:,} images  {done / (now - self.started):,.0f} images/s"
        if done >= images:
            self.line(text)
            self.started = time.perf_counter()  # the training's, whose time left is told from here on
        else:
            self._move(text)

    def _move(self, text: str) -> None:
        """Rewrite the moving line, unless it was a moment ago."""
        now = time.perf_counter()
        if self.moves and now - self.last > self.pause:
            self.last = now
            self.stream.write(f"\r{text:<78.78}")
            self.stream.flush()

    def epoch(self, record: dict[str, float], epochs: int, silent: bool = False) -> None:
        """The line that stays: what `history` holds of this epoch. silent: with a warning, see evaluation.is_silent."""
        rate = f"{record['images_per_second']:,.0f} images/s  " if "images_per_second" in record else ""
        told = {"test_loss": "test loss {:.4f}  ", "test_accuracy": "accuracy {:.2%}  ", "test_ap50": "AP50 {:.3f}  "}
        tested = "".join(text.format(record[name]) for name, text in told.items() if name in record)
        text = (
            f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  train loss {record['train_loss']:.4f}  "
            f"{tested}{rate}{self._left(record['steps'])} left"
        )
        self.line(text)
        if silent:
            self.line(SILENT)

    def line(self, text: str) -> None:
        self.stream.write(f"\r{text:<78}\n" if self.moves else f"{text}\n")
        self.stream.flush()

    def _left(self, step: float) -> str:
        done = step - self.start_step
        seconds = (time.perf_counter() - self.started) / max(1, done) * (self.steps - step)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
