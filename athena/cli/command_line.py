"""The parser of commands: tells who mistypes one what was meant."""

import argparse
import difflib
import re
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Suggests what is nearest to a word that is none of those it takes."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            meant = difflib.get_close_matches(str(value), map(str, action.choices or ()), n=1)
            if not meant:
                raise
            raise argparse.ArgumentError(action, f"{value!r} is none; did you mean {meant[0]!r}?") from error

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns what was typed; a word that is left over ends the program with a suggestion."""
        found, left = self.parse_known_args(args, namespace)
        if left:
            self._refuse(left, _parser_of(self, found))
        return found

    def _refuse(self, left: list[str], parser: argparse.ArgumentParser) -> NoReturn:
        known = [flag for action in parser._actions for flag in action.option_strings]
        meant = difflib.get_close_matches(left[0].partition("=")[0], known, n=1)
        hint = f"; did you mean {meant[0]}?" if meant else f"; {parser.prog} --help lists what there is"
        if not meant and re.match(r"\w[\w.]*=", left[0]) and "--input" in known:
            # Who knows other tools types what he names without the option.
            hint = f"; did you mean --input {left[0]} or --param {left[0]}?"
        parser.error(f"{' '.join(left)} is nothing that it takes{hint}")


def _parser_of(parser: argparse.ArgumentParser, found: argparse.Namespace) -> argparse.ArgumentParser:
    """Returns the parser of the command that was typed."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            name = getattr(found, action.dest, None)
            if name in action.choices:
                return _parser_of(action.choices[name], found)
    return parser
