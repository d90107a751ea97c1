"""A second witness: the kernel as NVIDIA's own compiler understands it. nvrtc.py makes PTX of the source, the assembly
language of GPUs; parse.py and translate.py make C++ of that, for the same emulator. Start with translate.py.
"""
