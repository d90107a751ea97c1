"""benchmarks/public_kernels.py tells what becomes of files as they are posted; here of some of each kind."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import public_kernels

KERNEL = "#include <stdio.h>\n__global__ void one(int* x) { x[threadIdx.x] = 1; }\n"
MAIN = KERNEL + "int main() { %s }\n"
FILES = {
    "runs": MAIN % 'int *x; cudaMalloc(&x, 128); one<<<1, 32>>>(x); puts("ended");',
    "runs, with a header of another folder": '#include "common/sizes.h"\n' + MAIN % "return SIZE - 7;",
    "compiles": KERNEL,
    "library": "#include <cublas_v2.h>\n" + MAIN % "",
    "texture": "texture<float> t;\n" + KERNEL,
    "header": '#include "lost.h"\n' + MAIN % "",
    "input": MAIN % 'printf("usage: program N\\n"); return 1;',
    "long": MAIN % "for (;;) {}",
    "part": "void elsewhere();\n" + MAIN % "elsewhere();",
    "compiler": "#include <stdio.h>\nvoid host() {}\n__global__ void k() { host(); }\nint main() { k<<<1, 1>>>(); }\n",
    "compiler, of older GPUs": MAIN.replace("= 1", "= __shfl(1, 2)") % "one<<<1, 32>>>(nullptr);",
    "fails": MAIN % 'puts("Test FAILED");',
    "fails, by its status": MAIN % "return 3;",
}


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "sizes.h").write_text("#define SIZE 7\n")
    (tmp_path / "chapter").mkdir()
    return tmp_path


@pytest.mark.parametrize("what", FILES)
def test_a_files_verdict(repository, what):
    path = repository / "chapter" / "program.cu"
    path.write_text(FILES[what])
    verdict, seconds, said = public_kernels.verdict_of(path, repository, most=2 if what == "long" else 60)
    assert verdict == what.split(",")[0], said
    assert seconds < 60


def test_headers_are_looked_for_near_the_file_first(repository):
    for folder in ("chapter", "chapter/inner", "other"):
        (repository / folder).mkdir(exist_ok=True)
        (repository / folder / "common.h").touch()
    folders = public_kernels.header_folders(repository / "chapter" / "program.cu", repository)
    assert [folder.name for folder in folders][:2] == ["chapter", "inner"]
    assert {repository / "other", repository / "common", repository} <= set(folders)


def test_the_table_counts_every_row():
    rows = public_kernels.read_rows()
    assert len(rows) >= 200
    assert {row["verdict"] for row in rows.values()} <= {*public_kernels.TRIED, *public_kernels.APART}
    assert f"{len(rows):,} files" in public_kernels.table(rows)
