"""A stand-in for CuPy on a machine without a GPU, which keeps CuPy's rules and runs its kernels on the emulator.

What real CuPy refuses is refused: NumPy arrays mixed with its own, silent conversions, functions and keyword arguments
that it does not have (CuPy itself is asked: it can be imported without a GPU). What it does silently is counted: copies
between host and device, and numbers read back, for which the host must wait. So a test can hold the whole CUDA back
end to account, except for the GPU itself: its streams, its devices, and that it computes while the host goes on.
"""

import functools
import inspect
import threading
from collections import Counter
from types import SimpleNamespace

import cupy
import numpy as np

from minivit import emulator
from minivit.devices.cuda import NULL

threads: set[str] = set()  # that launched kernels: CuPy's current stream is each thread's own
counts: Counter[str] = Counter()  # "to device", "to host": arrays; "reads": single numbers
METHODS = ("all", "any", "argmax", "astype", "copy", "max", "mean", "min", "ravel", "reshape", "sum", "swapaxes")
METHODS += ("prod", "transpose")


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """CuPy's array as seen from Python; `host` is where the numbers really are."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    flags = property(lambda self: self.host.flags)
    T = property(lambda self: ndarray(self.host.T))
    data = property(lambda self: SimpleNamespace(ptr=self.host.ctypes.data))

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")  # as CuPy says it

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method == "reduceat" and ufunc is np.add and kwargs.keys() == {"axis"}:  # which CuPy has for add
            _refuse_host_arrays(inputs)
            return _device(ufunc.reduceat(*map(_host, inputs), **kwargs))
        if method != "__call__" or not hasattr(cupy, ufunc.__name__):
            return NotImplemented
        out = kwargs.pop("out", ())
        _refuse_host_arrays(inputs + out)
        assert not kwargs, f"np.{ufunc.__name__} with {sorted(kwargs)}: ask whether CuPy has it"
        result = ufunc(*map(_host, inputs), **({"out": tuple(map(_host, out))} if out else {}))
        return out[0] if out else _device(result)

    def __array_function__(self, function, types, args, kwargs):
        module = functools.reduce(getattr, function.__module__.split(".")[1:], cupy)
        its_own = getattr(module, function.__name__)  # AttributeError: CuPy does not have it
        inspect.signature(its_own).bind(*args, **kwargs)  # TypeError: not with these arguments
        _refuse_host_arrays(args + tuple(kwargs.values()))
        if function is np.clip:
            _refuse_bounds_beyond(*args, **kwargs)
        return _device(function(*map(_host, args), **{name: _host(value) for name, value in kwargs.items()}))

    def __getattr__(self, name):
        if name not in METHODS or not hasattr(cupy.ndarray, name):
            raise AttributeError(f"the stand-in for CuPy's array has no {name!r}: does CuPy's?")
        method = getattr(self.host, name)

        def call(*args, **kwargs):
            _refuse_host_arrays(args)
            return _device(method(*args, **kwargs))

        return call

    def __getitem__(self, index):
        _refuse_host_arrays(index if isinstance(index, tuple) else (index,))
        return _device(self.host[_host(index)])

    def __setitem__(self, index, value):
        _refuse_host_arrays((value, *(index if isinstance(index, tuple) else (index,))))
        self.host[_host(index)] = _host(value)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def _read(self):
        counts["reads"] += 1
        return self.host.item()  # ValueError for more than one number

    def __bool__(self):
        return bool(self._read())

    def __float__(self):
        return float(self._read())

    def __int__(self):
        return int(self._read())


def _host(value):
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, list | tuple):
        return type(value)(map(_host, value))
    return value


def _device(value):
    if isinstance(value, np.ndarray | np.generic):  # CuPy's sums, too, are arrays (), and stay on the device
        return ndarray(np.asarray(value))
    if isinstance(value, list | tuple):
        return type(value)(map(_device, value))
    return value


def _refuse_host_arrays(values):
    for value in values:
        if isinstance(value, list | tuple):
            _refuse_host_arrays(value)
        if isinstance(value, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>: a NumPy array met one of CuPy's")


def _refuse_bounds_beyond(array, *bounds, **named):
    """NumPy clips uint8 to -1 … 1000, CuPy takes no bound that the array's dtype does not hold."""
    for bound in (*bounds, *named.values()):
        if type(bound) is int and array.dtype.kind in "iu":
            array.dtype.type(bound)  # OverflowError: Python integer -1 out of bounds for uint8


def asarray(array):
    if isinstance(array, ndarray):
        return array
    counts["to device"] += 1
    return ndarray(np.array(array))


def asnumpy(array):
    if isinstance(array, np.ndarray):
        return array
    counts["to host"] += 1
    return array.host.copy()


def empty(shape, dtype):
    return ndarray(np.full(shape, np.nan, dtype))


def ascontiguousarray(array):
    return ndarray(np.ascontiguousarray(array.host))


def zeros(shape, dtype):
    return ndarray(np.zeros(shape, dtype))


class RawModule:
    """The text is compiled for the emulator; each launch is held to CuPy's and CUDA's rules first."""

    def __init__(self, *, code, options, name_expressions):
        inspect.signature(cupy.RawModule.__init__).bind_partial(code=code, name_expressions=name_expressions)
        assert options == ("--std=c++17",)
        code.encode("ascii")  # CuPy writes the text to a file in the locale's encoding, which may be this one
        self._module, self._names = emulator.Module(code), name_expressions

    def get_function(self, name):
        assert name in self._names
        return Function(self._module[name])


class Function:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, kernel):
        self._kernel = kernel

    def __call__(self, grid, block, args, *, shared_mem=0):
        assert all(type(n) is int and n >= 1 for n in (*grid, *block)), (grid, block)
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "more than 48 KB must be asked for"
        for value in args:
            # A Python int would be passed in 64 bits and a float as a double, whatever the kernel takes.
            assert isinstance(value, ndarray | np.int32 | np.float32 | np.float64) or value is NULL, type(value)
        values = (None if value is NULL else _host(value) for value in args)
        self._kernel(grid, block, *values, shared=shared_mem)
        threads.add(threading.current_thread().name)


def is_available():
    return True


# ---- for the benchmark ----

__version__ = "stand-in"
float32, copyto = np.float32, np.copyto
ones = zeros


class Event:
    def record(self):
        pass

    def synchronize(self):
        pass


cuda = SimpleNamespace(
    Device=lambda: SimpleNamespace(compute_capability="90", attributes={"MaxSharedMemoryPerBlockOptin": 227 * 1024}),
    runtime=SimpleNamespace(getDeviceProperties=lambda device: {"name": b"no GPU", "l2CacheSize": 2**12}),
    Event=Event,
    get_elapsed_time=lambda start, end: 1.0,  # milliseconds
)
