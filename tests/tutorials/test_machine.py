"""What chapter 27 quotes of NVIDIA's compiler is what it says."""

import ast
import re

import numpy as np
import pytest
from build import COURSE

from minivit.devices import launches, static
from minivit.emulator import NoCompilerError
from minivit.emulator.ptx import nvrtc


@pytest.mark.ch27
def test_the_registers_of_attention() -> None:
    """Each version's main kernel on sm_90: registers a thread, threads a block, bytes of shared memory a block."""
    try:
        nvrtc.architectures()
    except NoCompilerError:
        pytest.skip("no NVRTC: pip install nvidia-cuda-nvrtc")
    source = (COURSE / "src" / "27_reading_the_machine.py").read_text(encoding="utf-8")
    quoted = ast.literal_eval(re.search(r"^compiled = (\{.*?^\})", source, re.DOTALL | re.MULTILINE)[1])
    main = [launches.attention_forward(1, 12, 197, 64, np.float32, False, version)[0] for version in (1, 2, 3, 4, 5)]
    facts = static.examine(main, [90])
    found = {
        re.search(r"_(v\d)<", one.launch.kernel)[1]: (one.registers, int(np.prod(one.launch.block)), one.shared)
        for one in facts
    }
    assert quoted.keys() == found.keys()
    for version, (registers, *launch) in found.items():
        assert launch == list(quoted[version][1:])
        assert 1 / 1.3 <= registers / quoted[version][0] <= 1.3, version  # another NVRTC gives a few more or fewer
