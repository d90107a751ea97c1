"""Every operation's backward is the derivative of its forward."""

import pytest

from minivit import ops
from minivit.proof import OPS, check_op


@pytest.mark.parametrize("name", OPS)
def test_gradients(name):
    report = check_op(name)
    assert report.ok, f"\n{report}"


def test_every_operation_is_checked():
    pairs = {name.removesuffix("_forward") for name in ops.__all__ if name.endswith("_forward")}
    assert {name.partition(",")[0] for name in OPS} == pairs
    assert {f"{name}_backward" for name in pairs} == {name for name in ops.__all__ if name.endswith("_backward")}
