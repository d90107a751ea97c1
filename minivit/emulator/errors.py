"""What can go wrong in the emulator, each error with words on what to do."""


class EmulatorError(RuntimeError):
    """Every error of the emulator is one of these. A notebook shows its message and not the path to it."""

    def _render_traceback_(self) -> list[str]:
        return f"{type(self).__name__}: {self}".splitlines()


class NoCompilerError(EmulatorError):
    """There is no C++ compiler, or none that works."""


class CompileError(EmulatorError):
    """The kernel's file does not compile, or has no such kernel. The message names file and line."""


class UnknownKernelError(CompileError, KeyError):
    """The file has no kernel of that name."""

    __str__ = RuntimeError.__str__  # KeyError would show the message in quotation marks


class LaunchError(EmulatorError):
    """The kernel did something that a GPU could not, or that has no defined result there."""
