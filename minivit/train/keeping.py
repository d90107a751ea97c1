"""A run's folder, which it has for itself, and its checkpoint, from which it goes on whatever has stopped it."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..files import claimed
from .checkpoint import save_checkpoint
from .trainer import Trainer


@contextmanager
def kept(
    trainer: Trainer, out: str | os.PathLike | None, resume: str | os.PathLike | None, options: str, quiet: bool
) -> Iterator[Path | None]:
    """Yield the checkpoint of a run that writes to the folder `out`, or goes on with the checkpoint `resume`; None of
    one that leaves nothing. Within, its folder is claimed; what stops the run there (Ctrl-C, a full disk, a worker's
    end, a closed pipe) is followed, unless quiet, by how to go on: `python -m minivit train`, the options, --resume.
    Another failure before the first step leaves nothing behind: neither a checkpoint, nor a folder that was not there.

    Raises OSError where `out` cannot be written, holds another run, or is another's at this moment.
    """
    if not (out or resume):
        yield None
        return
    checkpoint = Path(out) / "checkpoint.npz" if out else Path(resume)
    new_folder = not checkpoint.parent.exists()
    with claimed(checkpoint.parent):
        if out:
            if checkpoint.exists() and not (resume and checkpoint.samefile(resume)):
                raise FileExistsError(f"{checkpoint} is an earlier run's: resume it, or choose another folder")
            save_checkpoint(trainer, checkpoint)  # now, so that a folder that cannot be written costs no training
        try:
            yield checkpoint
        except (KeyboardInterrupt, OSError) as error:
            if not quiet:
                stream = sys.stderr if isinstance(error, BrokenPipeError) else sys.stdout
                again = f"python -m minivit train{options} --resume {shlex.quote(str(checkpoint))}"
                print(f"to go on: {again}", file=stream, flush=True)
            raise
        except Exception:
            if not (resume or trainer.step_count):  # a run that cannot begin, as without a library that it needs
                checkpoint.unlink(missing_ok=True)
                if new_folder:
                    with suppress(OSError):  # somebody has put something there
                        checkpoint.parent.rmdir()
            raise
