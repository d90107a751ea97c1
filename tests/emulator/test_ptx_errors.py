"""What the PTX path refuses, and what it says; and what it keeps in the cache."""

import shutil

import numpy as np
import pytest
from ptx_support import need_nvrtc

from minivit import emulator
from minivit.emulator.ptx import code as ptx_code
from minivit.emulator.ptx import nvrtc
from minivit.emulator.ptx.parse import Function, Variable
from minivit.emulator.ptx.signature import parameter_types


@pytest.fixture(autouse=True)
def _nvrtc():
    need_nvrtc()


def kernel(body: str, parameters: str = "int* y", name: str = "k") -> emulator.Kernel:
    text = f"struct Pair {{ int a, b; }};\n__global__ void {name}({parameters}) {{\n{body}\n}}"
    return emulator.Module(text, "mine.cu", via="ptx")[name]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('printf("%d", 1);', r"mine.cu:3: printf is not in the PTX path: run the kernel from source.*: call"),
        ("*y = *(int*)malloc(4);", r"mine.cu:3: malloc in a kernel is not in the emulator"),
        ('asm("{.reg .b16 h; cvt.rn.f16.s32 h, %0;}" :: "r"(*y));', r"mine.cu:3: half-precision .* cvt.rn.f16.s32"),
        ('asm volatile("bar.sync 1, 64;");', r"mine.cu:3: only the barrier of a whole block, .*: bar.sync 1, 64"),
        (
            'asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" :: "r"(*y));',
            r"mine.cu:3: this copy is not in the emulator: cp.async.mbarrier",
        ),
        (
            'double x = 1; asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %0}, {%0}, {%0}, {%0, %0};"'
            ': "+d"(x)); *y = x;',
            r"mine.cu:3: of the warp's matrix products only mma.sync.m16n8k8 of TF32 is in the emulator: mma.sync",
        ),
        ('asm volatile("mov.u32 %0, %%smid;" : "=r"(*y));', r"mine.cu:3: the operand %smid is not understood"),
        ('asm volatile("exit;");', None),
    ],
)
def test_what_is_refused(body, message):
    if message is None:
        kernel(body)(1, 1, np.zeros(1, np.int32))
        return
    with pytest.raises(emulator.CompileError, match=message):
        kernel(body)


def test_a_struct_as_a_parameter():
    with pytest.raises(emulator.CompileError, match=r"mine.cu:2: parameter 2 of .* is a struct"):
        kernel("*y = p.a;", "int* y, Pair p")


def test_nvrtcs_messages_name_the_line():
    with pytest.raises(emulator.CompileError, match=r'mine.cu:3: error: identifier "z" is undefined'):
        kernel("*y = z;")
    with pytest.raises(emulator.CompileError, match=r"has no kernel 'other'. Its kernels: k"):
        emulator.Module("__global__ void k(int* y) {}", via="ptx")["other"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("*y = 7 / *y;", r"mine.cu:3: .*an integer was divided by zero"),
        ("__trap();", r"mine.cu:3: .*__trap\(\) was called"),
        (
            "if (threadIdx.x) __syncthreads();\n else __syncthreads();",
            r"mine.cu:[34]: .*__syncthreads\(\) while others",
        ),
        ("*y = __shfl_sync(1, *y, 0);", r"mine.cu:3: .*mask 0x00000001, in which it is not"),
    ],
)
def test_errors_of_a_launch_name_the_line(body, message):
    with pytest.raises(emulator.LaunchError, match=message):
        kernel(body)(1, 2, np.zeros(1, np.int32))


def test_arguments_are_checked_like_those_of_a_kernel_from_source():
    """PTX knows only that a pointer has 64 bits; what it points to is read off the kernel's name."""
    text = "template <typename T> __global__ void k(T* y, const T* x, int n, size_t m, float4* v, bool b) {}"
    names = ("k<float>", "k<unsigned char>")
    signatures = [emulator.Module(text, via=via)[name].signature for name in names for via in ("source", "ptx")]
    assert signatures[0] == signatures[1] == ("f4*", "const f4*", "i4", "u8", "f4x4*", "b1")
    assert signatures[2] == signatures[3]
    k = kernel("y[0] = x[0];", "float* y, const float* x")
    with pytest.raises(TypeError, match="y"):
        k(1, 1, np.zeros(1), np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("_Z1cPfS_PKfS1_ihbPK1PS4_x", "f4* f4* const_f4* const_f4* i4 u1 b1 const_v1* const_v1* i8"),
        ("_ZN2ns1aIfLi3EEEvPT_PKS1_m", "f4* const_f4* u8"),
        ("_ZN2ns1bEPK6float4PfPVKi", "const_f4x4* f4* const_i4*"),
        ("_Z1dIfL4Kind0ELb1EEvPT_S1_", "f4* f4"),
        ("_Z4nonev", ""),
        ("plain", "v1* i4 f8"),  # extern "C"
    ],
)
def test_mangled_names(name, codes):
    given = [Variable("param", kind, "") for kind in ("u64", "u32", "f64")]
    count = len(codes.split())
    function = Function(name, True, [], given if name == "plain" else [Variable("param", "b8", "", 8, 8)] * count)
    found = [
        f"{'const_' * t.constant}{t.kind}{t.size}{f'x{t.count}' * (t.count > 1)}{'*' * t.pointer}"
        for t in parameter_types(function)
    ]
    assert found == codes.split()


def test_nothing_is_compiled_twice(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path))
    text = "__global__ void k(int* y) { *y = 5; }"

    def run(source: str) -> int:
        y = np.zeros(1, np.int32)
        emulator.Module(source, via="ptx")["k"](1, 1, y)
        return y[0]

    assert run(text) == 5
    files = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(nvrtc, "compile", None)  # calling it would fail
        assert run(text) == 5
    assert sorted(tmp_path.rglob("*")) == files
    assert run(text.replace("5", "6")) == 6
    monkeypatch.setattr(ptx_code, "TARGET", "compute_90")
    assert run(text) == 5
    assert len(list(tmp_path.rglob("*.ptx.cpp"))) == 3


def test_without_nvrtc(monkeypatch):
    nvrtc._library.cache_clear()
    monkeypatch.setattr(nvrtc, "_candidates", lambda: [])
    try:
        assert not nvrtc.available()
        with pytest.raises(emulator.NoCompilerError, match="pip install nvidia-cuda-nvrtc"):
            nvrtc.compile("__global__ void k() {}")
    finally:
        nvrtc._library.cache_clear()


def test_a_changed_translator_translates_anew(monkeypatch, tmp_path):
    need_nvrtc()
    folder = shutil.copytree(ptx_code.FOLDER, tmp_path / "ptx")
    monkeypatch.setattr(ptx_code, "FOLDER", folder)
    module = emulator.Module("__global__ void k(int* y) { *y = 7; }", via="ptx")
    text = ptx_code.ptx_code(module, ["k"])
    monkeypatch.setattr(ptx_code, "translate", lambda *_: "translated anew")
    assert ptx_code.ptx_code(module, ["k"]) == text  # from the cache
    for file in ("translate.py", "instructions.py"):
        (folder / file).write_text((folder / file).read_text("utf-8") + "# edited\n", "utf-8")
        monkeypatch.setattr(ptx_code, "translate", lambda *_, file=file: f"after {file}")
        assert ptx_code.ptx_code(module, ["k"]) == f"after {file}"
