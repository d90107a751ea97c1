"""The command line in the places where it is really run: no home, no letters, no reader, no room, no ears."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minivit
from minivit import ViT, ViTConfig, load_mnist, train_mnist
from minivit.__main__ import EXAMPLES, main

PACKAGE = Path(minivit.__file__).parents[1]  # where processes find it
TINY = dict(image_size=28, patch_size=7, channels=1, classes=10, width=16, depth=1, heads=2)
ADD = "__global__ void add(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x] + 1; }\n"
LAUNCH = "add<<<1, 64>>>(y[64], x[64])"
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a picture, a model and a kernel."""
    folder = tmp_path_factory.mktemp("given")
    Image.fromarray(255 - load_mnist().test_images[0, ..., 0]).resize((200, 200)).save(folder / "x.png")
    ViT(ViTConfig(**TINY), init="fan_in").save(folder / "model.npz")
    (folder / "add.cu").write_text(ADD)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of few pictures: an epoch of them is over at once."""
    folder, digits = tmp_path_factory.mktemp("some") / "pictures", load_mnist()
    for label in (0, 1):
        (folder / str(label)).mkdir(parents=True)
        for number, digit in enumerate(digits.train_images[digits.train_labels == label][:20, ..., 0]):
            Image.fromarray(digit).save(folder / str(label) / f"{number}.png")
    return folder


def command(*words, cwd, env=None, shell='exec "$@"', **options):
    """The command line in a process of its own, started by a shell as `shell` says."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120} | options
    options |= {"encoding": "utf-8", "errors": "replace"}
    environment = {name: value for name, value in os.environ.items() if env is None or env.get(name, "") is not None}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE), *sys.path]))}
    environment |= {name: value for name, value in (env or {}).items() if value is not None}
    start = ["bash", "-c", shell, "_", sys.executable, "-m", "minivit", *map(str, words)]
    return subprocess.run(start, cwd=cwd, env=environment, **options)


# ---- names and numbers ----


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "did you mean 'train'?"),
        (["train", "quik"], "did you mean 'quick'?"),
        (["train", "detr"], "did you mean --architecture detr?"),
        (["train", "--data", "ful"], "did you mean 'full'?"),
        (["train", "--epcohs", "3"], "unrecognized arguments: --epcohs; did you mean --epochs?"),
        (["train", "--architecture", "swim"], "did you mean 'swin'?"),
        (["live", "--export", "-"], "--export is -, expected a file's name"),
        (["live", "--export", "model.npz"], "--export is model.npz, expected a name that ends in .html"),
        (["train", "--epochs", "9" * 400], "a number of 400 letters"),
        (["train", "--seed", "9" * 5000], "a number of 5,000 letters"),
        (["train", "-" * 3000], "unrecognized arguments"),
        (["predict", "x.png", "--model", "m.npz", "--image-size", "9" * 400], "a number of 400 letters"),
        (["kernel", "add.cu", "--seed", "-5"], "-5, expected at least 0"),
        (["train", "--epochs", "two"], "it is 'two', expected a whole number from 1 on"),
    ],
)
def test_what_was_meant_is_guessed_and_the_answer_short(words, message, capsys):
    try:
        status, more = main(words), []
    except SystemExit as ending:  # what argparse itself refuses
        command = f" {words[0]}" if words[0] in EXAMPLES else ""
        status, more = ending.code, [f"python -m minivit{command} --help tells what can be given"]
    said = capsys.readouterr().err
    sentence, *lines = said.splitlines()
    assert status == 2 and message in sentence and sentence.startswith("minivit: ") and len(said) < 1200
    assert lines == more


def test_names_in_python_are_guessed_too():
    with pytest.raises(ValueError, match="did you mean 'quick'"):
        train_mnist("quik")
    with pytest.raises(ValueError, match="did you mean 'fashion'"):
        load_mnist("fashon")
    with pytest.raises(ValueError, match="did you mean 'sincos2d'"):
        ViTConfig(position="sincos2D")
    with pytest.raises(ValueError, match="did you mean 'emulator'"):
        ViT(ViTConfig(**TINY), device="emulater")


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_has_examples_that_parse(name, capsys):
    with pytest.raises(SystemExit) as ending:
        main([*filter(None, [name]), "--help"])
    assert ending.value.code == 0 and "examples:\n  python -m minivit" in capsys.readouterr().out


@pytest.mark.parametrize(
    "launch",
    [
        f"add<<<1, 64>>>(y[64], x[{'-' * 3000}5])",
        f"add<<<1, {'9' * 400}>>>(y[64], x[64])",
        f"add<<<1, 64>>>(y[{'9' * 400}], x[64])",
        f"add<<<1, 64>>>(y[{'9' * 400}/7], x[64])",
        f"add<<<1, 64>>>(y[64], x[64]={'9' * 400})",
        f"add<<<1, 64>>>(y[64], {'9' * 5000})",
        f"add<<<1, 64>>>(y[64], 1{'+1' * 5000})",
        f"add<<<1, 64>>>(y[{'(' * 3000}1{')' * 3000}], x[64])",
        "x" * 21_000,
    ],
    ids=range(9),
)
def test_a_launch_that_is_none_is_a_short_sentence(given, launch, capsys):
    assert main(["kernel", str(given / "add.cu"), launch]) == 2
    said = capsys.readouterr().err
    assert said.startswith("minivit: ") and said.count("\n") == 1 and len(said) < 300


# ---- files that are no files, and small ones that fill the memory ----


@posix
@pytest.mark.parametrize("what", ["/dev/zero", "/dev/null", "pipe"])
@pytest.mark.parametrize(
    "words",
    [["predict", "{}", "--model", "model.npz"], ["predict", "x.png", "--model", "{}"], ["eval", "--model", "{}"],
     ["train", "--resume", "{}"], ["kernel", "{}"]],
)  # fmt: skip
def test_a_device_or_a_pipe_is_named_and_not_waited_for(given, monkeypatch, words, what, capsys):
    monkeypatch.chdir(given)
    if not (given / "pipe").exists():
        os.mkfifo(given / "pipe")
    assert main([word.format(what) for word in words]) == 2
    assert f"{what} is a {'pipe' if what == 'pipe' else 'device'}, expected a file" in capsys.readouterr().err


def rewritten(path, tables=None, **options):
    """A model's file of a few kilobytes whose configuration is another."""
    model = ViT(ViTConfig(**TINY, **({"position": "relative"} if tables else {"position": "none"})), init="fan_in")
    model.save(path)
    arrays = dict(np.load(path))
    config = json.loads(str(arrays["minivit.config"])) | options
    arrays["minivit.config"] = np.array(json.dumps(config))
    for name in arrays:
        if tables and name.endswith("relative_position_bias_table"):
            arrays[name] = np.zeros((tables, 2), np.float32)
    np.savez_compressed(path, **arrays)
    return path


def test_small_files_that_would_fill_the_memory_are_refused(tmp_path):
    huge = rewritten(tmp_path / "huge.npz", image_size=[19_999, 19_999])
    with pytest.raises(ValueError, match=r"huge\.npz.*19999 x 19999 pixels"):
        ViT.load(huge)
    many = rewritten(tmp_path / "many.npz", image_size=[7000, 7000])
    with pytest.raises(ValueError, match=r"many\.npz.*1,000,001 tokens.*attention weights"):
        ViT.load(many)
    offsets = rewritten(tmp_path / "offsets.npz", tables=199 * 199 + 3, image_size=[700, 700])
    assert offsets.stat().st_size < 25_000
    with pytest.raises(ValueError, match=r"offsets\.npz: relative positions of 100 x 100 places"):
        ViT.load(offsets)


def test_a_size_from_the_command_line_is_refused(given, tmp_path, capsys):
    from minivit.weights import export_timm

    published = ViTConfig(image_size=32, patch_size=16, width=192, depth=1, heads=3, classes=7)
    export_timm(ViT(published), tmp_path / "m.safetensors")
    words = ["predict", str(given / "x.png"), "--model", str(tmp_path / "m.safetensors"), "--image-size", "32000"]
    assert main(words) == 2
    assert "32000 x 32000 pixels" in capsys.readouterr().err


def test_memory_that_is_not_there_is_a_sentence(given, capsys):
    assert main(["kernel", str(given / "add.cu"), "add<<<1, 64>>>(y[1000000000000000], x[64])"]) == 2
    assert capsys.readouterr().err.startswith("minivit: there is not enough memory")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused_by_name(tmp_path, bad):
    from minivit import load_pretrained
    from minivit.weights import export_timm

    config = ViTConfig(image_size=32, patch_size=16, width=192, depth=1, heads=3, classes=7)
    model = ViT(config)
    export_timm(model, tmp_path / "m.safetensors")
    raw = (tmp_path / "m.safetensors").read_bytes()
    name = "blocks.0.norm1.weight"
    end = 8 + int.from_bytes(raw[:8], "little")  # of the header
    start = end + json.loads(raw[8:end])[name]["data_offsets"][0]
    (tmp_path / "m.safetensors").write_bytes(raw[:start] + np.float32(bad).tobytes() + raw[start + 4 :])
    with pytest.raises(ValueError, match=rf"m\.safetensors: {name} holds 1 numbers of 192 that are NaN or infinite"):
        load_pretrained(tmp_path / "m.safetensors")
    arrays = {key: value.copy() for key, value in model.params.items()}
    arrays[name][3] = bad
    with pytest.raises(ValueError, match=f"{name} holds 1 numbers of 192"):
        ViT(config, params=arrays)


# ---- where it is run ----


@posix
@pytest.mark.parametrize(
    "env", [{"HOME": None}, {"HOME": ""}, {"HOME": "/nonexistent"}, {"XDG_CACHE_HOME": "~nobody/x"}]
)
def test_without_a_home(given, env):
    env = {"XDG_CACHE_HOME": None, "MINIVIT_CACHE": None, "MINIVIT_DATA": None} | env
    done = command("data", cwd=given, env=env)
    assert done.returncode == 0 and "digits: complete" in done.stdout and "Traceback" not in done.stderr


def test_a_user_without_a_home_has_no_cache(monkeypatch, capsys):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    for name in ("MINIVIT_DATA", "MINIVIT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert main(["data"]) == 0 and "not found" in capsys.readouterr().out
    assert main(["data", "--download"]) == 2 and "the user has no home" in capsys.readouterr().err


@posix
@pytest.mark.parametrize(
    "env", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_letters_that_the_terminal_has_not(given, tmp_path, env):
    path = tmp_path / os.fsdecode("größe.cu".encode())  # whatever the locale of the tests is
    path.write_text("// σ² ≤ 1\n" + ADD.replace("x[threadIdx.x]", "x[threadIdx.x + 64]"), "utf-8")
    done = command("kernel", path, LAUNCH, "--check", cwd=given, env=env)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    code = "import numpy as np; from minivit import check; check.close(np.ones(3), np.ones(3), chr(375))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True)
    assert done.returncode == 0 and done.stderr == b"" and b"max|error|" in done.stdout


@posix
def test_a_closed_pipe_ends_a_run_in_words_and_loses_nothing(tmp_path):
    words = "train", "quick", "--epochs", "2", "--out", tmp_path / "run"
    done = command(*words, cwd=tmp_path, shell='"$@" | head -n 1; exit ${PIPESTATUS[0]}')
    assert done.returncode == 141 and "Traceback" not in done.stderr
    assert "nobody reads the output any more" in done.stderr and "to go on: python -m minivit train" in done.stderr
    assert command("train", "--resume", tmp_path / "run" / "checkpoint.npz", cwd=tmp_path).returncode == 0


@posix
def test_a_full_disk_is_said_in_words(given):
    done = command("data", cwd=given, stdout=open("/dev/full", "w"))  # noqa: SIM115
    assert done.returncode == 2 and done.stderr.startswith("minivit: the disk is full") and done.stderr.count("\n") == 1


@posix
@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_closed_standard_files(tmp_path, pictures, closed):
    words = "train", pictures, "--epochs", "1", "--parallel", "processes", "--workers", "2", "--out", tmp_path / "run"
    done = command(*words, cwd=tmp_path, shell=f'exec "$@" {closed}')
    assert done.returncode == 0, done.stderr
    assert ViT.load(tmp_path / "run" / "model.npz").config.classes == 2


@posix
def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path):
    program = """
import os, signal, sys
from minivit.train.interrupt import deferred_interrupt
with deferred_interrupt() as interrupted:
    os.kill(os.getpid(), signal.SIGINT)
    print(interrupted(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGINT)
print("goes on")
"""
    shell = "trap '' INT; exec \"$@\""
    start = ["bash", "-c", shell, "_", sys.executable, "-c", program]
    done = subprocess.run(start, capture_output=True, text=True, cwd=PACKAGE)
    assert done.stdout.split() == ["False", "True", "goes", "on"], done.stderr


def test_two_runs_never_share_a_folder(tmp_path, pictures, monkeypatch):
    start = [sys.executable, "-m", "minivit", "train", str(pictures), "--epochs", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])}
    runs = [subprocess.Popen(start, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    wrote = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"pictures", "pictures-2"}
    assert len({text.splitlines()[-1] for text in wrote}) == 2
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIVIT_DATA", raising=False)
    assert main(["train", "--data", "full", "--epochs", "1"]) == 2  # it is not there
    assert not (tmp_path / "runs" / "full").exists()
