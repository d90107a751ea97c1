"""How the command line behaves: mistakes are sentences, names are guessed, and a terminal gets letters that it has."""

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from .files import keep_standard_files
from .messages import brief, choices, in_words, near, short

LONGEST = 18  # digits of a number, all of which a processor can count to
KINDS = {int: "a whole number", float: "a number"}  # what a type of argparse's expects
NOBODY_READS = 141  # what a shell says of a program that was ended by a closed pipe


class Help(argparse.HelpFormatter):
    """argparse's, but examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:") else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """argparse's, with examples under the help, and a guess where a name is misspelt."""

    def __init__(self, *args: object, examples: str = "", **options: object) -> None:
        epilog = f"examples:\n{examples}" if examples else None
        options |= {"formatter_class": Help, "epilog": epilog}
        super().__init__(*args, **options)

    def _get_value(self, action: argparse.Action, text: str) -> object:
        """argparse's, which would name the Python function that could not read the text."""
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            if action.type not in KINDS:  # the others say themselves what they expect
                raise
        expected = choices(text, action.choices) if action.choices else f"expected {KINDS[action.type]}"
        raise argparse.ArgumentError(action, f"it is {short(text)}, {expected}")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"it is {short(value)}, {choices(value, action.choices)}")

    def parse_known_args(self, args: object = None, namespace: object = None) -> tuple[argparse.Namespace, list[str]]:
        """argparse's, but what follows an unknown option is not taken for something else, and a command itself refuses
        what it does not know."""
        given = sys.argv[1:] if args is None else list(args)
        if self._subparsers and not given:  # who types the name alone wants to know what there is
            self.print_help(sys.stderr)
            raise SystemExit(2)
        for word in given[: given.index("--") if "--" in given else None]:
            name = word.partition("=")[0]
            if name.startswith("--") and not self._subparsers and not self._known(name):
                self.refuse([name])
        found, rest = super().parse_known_args(args, namespace)
        if rest and not self._subparsers:
            if not hasattr(found, "words") or any(word.startswith("-") for word in rest):
                self.refuse(rest)
            found.words += rest  # `kernel FILE --check LAUNCH`: argparse takes words from one place only
            rest = []
        return found, rest

    def _known(self, name: str) -> bool:
        return any(option.startswith(name) for option in self._option_string_actions)

    def refuse(self, rest: list[str]) -> NoReturn:
        """End with what was not understood."""
        names = {name.strip("-"): name for name in self._option_string_actions}
        meant = names.get(near(rest[0].partition("=")[0].strip("-"), names))
        option = any(word.startswith("-") for word in rest)
        wrong = "unrecognized arguments" if option else f"{self.prog.split()[-1]} takes no more words; left over"
        self.error(f"{wrong}: {' '.join(rest)}" + (f"; did you mean {meant}?" if meant else ""))

    def error(self, message: str) -> NoReturn:
        """argparse's, without the usage: among its lines what is wrong is easily overlooked."""
        _tell(f"{brief(message)}\npython -m {self.prog} --help tells what can be given")
        raise SystemExit(2)


def run(command: Callable[[], int], mistakes: tuple[type[Exception], ...]) -> int:
    """The command's exit status; 2 where it raises one of the user's `mistakes`, which are told in a line."""
    keep_standard_files()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # of a notebook, a test, or closed
            stream.reconfigure(errors="minivit.spelt")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _tell(f"warning: {message}")
        try:
            status = command()
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            _tell("nobody reads the output any more (a closed pipe), so this is the end")
            _let_go_of_output()
            return NOBODY_READS
        except OSError as error:
            _tell(in_words(error))
            _let_go_of_output()
        except MemoryError as error:
            _tell(f"there is not enough memory{f': {error}' if str(error) else ''}")
        except RecursionError:
            _tell("what was given is nested too deeply to be read")
        except mistakes as error:
            _tell(str(error))
    return 2


def at_least(least: int) -> Callable[[str], int]:
    """A type of argparse's: whole numbers from `least` on."""

    def whole_number(text: str) -> int:
        if len(text) > LONGEST:
            raise argparse.ArgumentTypeError(f"a number of {len(text):,} letters, expected one of at most {LONGEST}")
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"it is {short(text)}, expected a whole number from {least} on") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{text}, expected at least {least}")
        return number

    return whole_number


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):  # where errors cannot be told, the exit status remains
        print(f"minivit: {brief(text)}", file=sys.stderr or sys.__stderr__, flush=True)


def _let_go_of_output() -> None:
    """What is left in the buffer of an output that takes no more would fail once again when Python ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
