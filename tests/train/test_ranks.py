"""Several ranks, of mpiexec, are one run: its bits, its voice, its end. What each does is in on_ranks.py."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("on_ranks.py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
MPI = bool(MPIEXEC and importlib.util.find_spec("mpi4py"))
needs_mpi = pytest.mark.skipif(not MPI, reason="no mpiexec or no mpi4py here: pip install '.[mpi]'")


def start(ranks, folder, *, mpiexec=(MPIEXEC,), command=None, **options):
    folder.mkdir(exist_ok=True)
    program = command or [sys.executable, "-u", str(PROGRAM), json.dumps({"out": str(folder)} | options)]
    mpi = [*mpiexec, "-n", str(ranks)] if ranks > 1 else []
    paths = os.environ.get("PYTHONPATH"), str(PROGRAM.parent), str(PROGRAM.parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*mpi, *program], env=env, **streams)


def end(process):
    """Status, output and errors of a run that must end, on a machine that may stand still for a minute."""
    try:
        out, err = process.communicate(timeout=180)
    finally:
        process.kill()
    return process.returncode, out, err


def run(ranks, folder, **options):
    status, out, err = end(start(ranks, folder, **options))
    assert status == 0, err
    return out


def bits(folder, rank=0):
    with np.load(folder / f"rank{rank}.npz") as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


def lines(out):
    """Without what is another number each time: the rate, and the time that is left."""
    return [line.partition("%")[0] for line in out.splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder and the output of the run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, run(1, folder)


# ---- the same bits ---------------------------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.parametrize(("ranks", "workers"), [(2, None), (4, None), (8, None), (2, 2)])
def test_any_number_of_ranks_gives_the_bits_of_one_process(alone, tmp_path, ranks, workers):
    folder, said = alone
    out = run(ranks, tmp_path, workers=workers)
    for rank in range(ranks):
        assert bits(tmp_path, rank) == bits(folder), rank
    assert lines(out) == lines(said)  # rank 0 alone speaks,
    assert [path.name for path in tmp_path.glob("checkpoint*")] == ["checkpoint.npz"]  # and writes


@needs_mpi
def test_each_rank_may_have_processes_of_its_own(alone, tmp_path):
    run(2, tmp_path, workers=2, parallel="processes")
    assert bits(tmp_path) == bits(alone[0]) == bits(tmp_path, 1)


@needs_mpi
def test_buffers_are_everyone_s(tmp_path):
    run(1, tmp_path / "one", buffers=True)
    run(2, tmp_path / "two", buffers=True)
    for rank in (0, 1):
        assert bits(tmp_path / "two", rank) == bits(tmp_path / "one")


@needs_mpi
def test_a_run_goes_on_with_another_number_of_ranks(alone, tmp_path):
    """Stopped by a Ctrl-C that one of two ranks hears; then resumed by four, and by one."""
    status, out, _ = end(start(2, tmp_path, wrong="interrupt", rank=1, step=2))
    checkpoint = tmp_path / "checkpoint.npz"
    assert status != 0 and lines(out)[:2] == ["stopped after step 2 of 6", f"saved {checkpoint}"]
    for ranks in (4, 1):
        run(ranks, tmp_path / str(ranks), resume=str(checkpoint))
        assert bits(tmp_path / str(ranks)) == bits(alone[0])


# ---- the end of a job ------------------------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("wrong", "message"), [("error", "ArithmeticError: this rank cannot add"), ("kill", "signal 9")]
)
def test_a_rank_that_fails_or_is_killed_ends_the_job_and_spares_the_checkpoint(alone, tmp_path, rank, wrong, message):
    status, out, err = end(start(2, tmp_path, wrong=wrong, rank=rank, step=5))
    assert status != 0 and message in out + err, err  # mpiexec speaks in the one, a rank in the other
    assert (f"minivit: rank {rank} of 2 ends the job" in err) == (wrong == "error")
    written = max(path.stat().st_mtime for path in tmp_path.glob("pid*"))  # in the first step
    assert time.time() - written < 100
    assert out.count("epoch ") == 1 and not list(tmp_path.glob("rank*"))
    run(2, tmp_path, resume=str(tmp_path / "checkpoint.npz"))
    assert bits(tmp_path) == bits(alone[0])


@needs_mpi
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("images", "ValueError: rank 1 has other images than rank 0: all must start alike"),
        ("numbers", "ValueError: rank 1 has other numbers than rank 0: all must start alike"),
        ("early", "rank 1 of 2 ends the job: FileNotFoundError: the digits are not here"),
    ],
)
def test_ranks_that_do_not_start_alike_are_told_so(tmp_path, wrong, message):
    status, out, err = end(start(2, tmp_path, wrong=wrong, rank=1))
    assert status != 0 and message in err and out == ""
    assert not list(tmp_path.iterdir())  # no step was taken


def wait_for(condition, seconds=100):
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    assert met


@needs_mpi
@pytest.mark.parametrize("whom", ["mpiexec", "rank0", "rank1"])
def test_ctrl_c_ends_the_command_line_with_the_checkpoint_in_place(tmp_path, whom):
    folder = tmp_path / "run"
    command = [sys.executable, "-u", "-m", "minivit", "train", "quick", "--epochs", "99", "--out", str(folder)]
    process = start(2, tmp_path, command=command)
    assert "images to train" in process.stdout.readline()
    pids = [int(pid) for proxy in children(process.pid) for pid in children(proxy)]
    assert len(pids) == 2
    time.sleep(1)  # they have all begun
    mtime = (folder / "checkpoint.npz").stat().st_mtime_ns
    os.kill(process.pid if whom == "mpiexec" else pids[int(whom[4:])], signal.SIGINT)
    status, out, err = end(process)
    assert status == 130, err
    assert "stopped after step " in out and f"saved {folder}/checkpoint.npz" in out
    assert out.count("to go on: python -m minivit train --resume") == 1
    assert (folder / "checkpoint.npz").stat().st_mtime_ns > mtime and "Traceback" not in err
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


FEWER_DIGITS = """
import sys
from minivit.__main__ import main
from minivit.data import Dataset
from minivit.train import mnist
all = mnist.load_mnist()
few = Dataset(*(part[:256] for part in (all.train_images, all.train_labels, all.test_images, all.test_labels)))
mnist.load_mnist = lambda data, download: few
sys.exit(main())
"""


@needs_mpi
def test_the_command_line_over_two_ranks_writes_once_what_one_process_writes(tmp_path):
    """And refuses, in a sentence, a folder that another run has: rank 0 alone would write there, and knows."""
    train = [sys.executable, "-c", FEWER_DIGITS, "train", "quick", "--epochs", "1"]
    outputs = []
    for ranks in (1, 2):
        status, out, err = end(start(ranks, tmp_path, command=[*train, "--out", str(tmp_path / str(ranks))]))
        assert status == 0, err
        outputs.append([line.replace(str(tmp_path / str(ranks)), "") for line in lines(out)])
    assert outputs[0] == outputs[1] and sum(line.startswith("wrote ") for line in outputs[0]) == 7
    one, two = ((tmp_path / name / "model.npz").read_bytes() for name in "12")
    assert one == two and not list(tmp_path.glob("*/*.tmp"))
    status, out, err = end(start(2, tmp_path, command=[*train, "--out", str(tmp_path / "2")]))
    assert status == 1 and out == "" and "Traceback" not in err
    assert "minivit: rank 0 of 2 ends the job: FileExistsError: " in err and "is an earlier run's: resume it" in err


# ---- where MPI is not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_a_missing_mpi4py_is_told_in_words(tmp_path, name):
    """What any rank says, of MPICH or Open MPI: the finder stands for a machine without the package."""
    (tmp_path / "mpi4py.py").write_text("raise ImportError('none here')")
    env = {key: value for key, value in os.environ.items() if "MPI" not in key and not key.startswith("PMI")}
    paths = [str(tmp_path), os.environ.get("PYTHONPATH") or str(PROGRAM.parents[2])]
    done = subprocess.run(
        [sys.executable, "-m", "minivit", "train", "quick", "--out", str(tmp_path / "run")],
        env=env | {name: "2", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "run").exists()
    assert done.stderr == 'minivit: several ranks need mpi4py (none here): pip install "minivit[mpi]"\n'


@needs_mpi
def test_the_mpiexec_of_another_mpi_is_told_in_words(tmp_path):
    """Else each rank would take itself for the only one, and all would write."""
    command = [sys.executable, "-m", "minivit", "train", "quick", "--out", str(tmp_path / "run")]
    env = os.environ | {"PMI_SIZE": "3"}  # as if it had been started by an mpiexec that this MPI does not speak with
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert "minivit: mpiexec has started 3 ranks, but mpi4py knows of 1: it needs the mpiexec of " in done.stderr


def test_a_job_of_one_needs_no_mpi_and_ranks_no_gpu(monkeypatch):
    from minivit.train.ranks import Alone, job

    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(job(), Alone) and isinstance(job("cuda"), Alone)
    monkeypatch.setenv("PMI_SIZE", "1")
    assert isinstance(job(), Alone)
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(ValueError, match="several ranks need device='cpu', not 'cuda'"):
        job("cuda")
