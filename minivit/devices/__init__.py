"""Where a model computes. device.py says what a device is, and has NumPy's; workers.py shares images among threads.

With handwritten CUDA kernels: launch.py is a launch as data, launches/ the table of all of them, kernel_ops.py the
operations made of them; cuda.py and emulator.py carry them out. The kernels themselves are in kernels/.
"""

from functools import cache

from ..messages import choices
from .device import DEVICES, Cpu, Device, DeviceError

__all__ = ["DEVICES", "Cpu", "Device", "DeviceError", "get_device"]


@cache
def get_device(name: str) -> Device:
    """The device of this name. Raises ValueError for an unknown one, DeviceError where this machine has none."""
    if name == "cpu":
        return Cpu()
    if name == "cuda":
        from .cuda import Cuda  # loaded when it is asked for, and no sooner

        return Cuda()
    if name == "emulator":
        from .emulator import Emulator

        return Emulator()
    raise ValueError(f"device is {name!r}, {choices(name, DEVICES)}")
