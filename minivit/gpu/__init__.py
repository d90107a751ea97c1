"""The operations as handwritten CUDA kernels: on a GPU through CuPy, or on the CPU through minivit.emulator.

launch.py is a launch as data, launches/ the table of all of them, ops.py the operations made of them; cuda.py and
emulated.py carry them out. The kernels themselves are in minivit/kernels.
"""
