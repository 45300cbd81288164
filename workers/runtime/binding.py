"""Calls a wrapper's methods as their own signatures want it.

The order of arguments changed about eight times between the versions of the SDK, so what a parameter stands
for is told by its name, and only where the name says nothing by its place.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from athena.errors import ConfigError

#: What a parameter stands for -> its names over all SDK versions, in lower case and without underscores.
NAMES = {
    "params": {"params", "param"},
    "inputs": {"reqdata", "req", "datas", "data", "reqdatas", "request"},
    "outputs": {"respdata", "resp"},
    "tag": {"usrtag", "usertag", "tag"},
    "sid": {"sid"},
    "resource": {"persid", "psrid"},
    "resources": {"psrids", "persids"},
    "resource_count": {"psrcnt", "perscnt"},
    "resource_name": {"resid", "patchid"},
    "handle": {"handle"},
    "params_list": {"paramslist"},
    "inputs_list": {"reqlist", "reqdatalist", "inputslist"},
}

_MEANING = {name: meaning for meaning, names in NAMES.items() for name in names}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Binding:
    """A method and what it wants to be told.

    Args:
        method: bound to its wrapper.
        orders: for each generation of the SDK, what it passes by position, the newest first. A method that
            takes more arguments than the first has, and names none, is taken for one of the first order that
            is long enough.
        aliases: meanings that stand for another one in this method: in once calls `sid` is the tag.

    Raises:
        ConfigError: it wants something that no SDK version passes.
    """

    def __init__(
        self,
        method: Callable[..., Any],
        orders: Sequence[Sequence[str]],
        aliases: dict[str, str] | None = None,
    ) -> None:
        self._aliases = aliases or {}
        self._known = {meaning for order in orders for meaning in order}
        self.name = getattr(method, "__name__", "the method")
        self.positional, self.named = self._read(method, orders)

    @property
    def meanings(self) -> set[str]:
        """Everything that the method is told."""
        return {*self.positional, *self.named.values()}

    def compile(self, method: Callable[..., Any], given: Sequence[str]) -> Callable[..., Any]:
        """Returns a function that takes the values of `given`, in this order, and calls the method."""
        places = [given.index(meaning) for meaning in self.positional]
        if not self.named:
            if places == list(range(len(given))):
                return method
            return lambda *values: method(*[values[place] for place in places])
        named = {name: given.index(meaning) for name, meaning in self.named.items()}
        return lambda *values: method(
            *[values[place] for place in places], **{name: values[place] for name, place in named.items()}
        )

    def _read(
        self, method: Callable[..., Any], orders: Sequence[Sequence[str]]
    ) -> tuple[list[str], dict[str, str]]:
        try:
            parameters = list(inspect.signature(method).parameters.values())
        except (TypeError, ValueError):
            # Some functions of C extensions do not tell their signature.
            return list(orders[0]), {}
        order = self._order(parameters, orders)
        # Names first, of later parameters too: what they stand for goes to none that has only its place.
        wanted = [self._meaning(parameter.name) for parameter in parameters]
        taken = {meaning for meaning in wanted if meaning}
        positional: list[str] = []
        named: dict[str, str] = {}
        must_name = False
        for parameter, meaning in zip(parameters, wanted, strict=True):
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                positional += [] if must_name else [item for item in order if item not in taken]
                must_name = True
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            else:
                found = meaning or self._by_place(parameter, order, len(positional), taken)
                if found is None:
                    must_name = True
                elif must_name or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                    named[parameter.name] = found
                else:
                    positional.append(found)
        return positional, named

    def _order(self, parameters: list[inspect.Parameter], orders: Sequence[Sequence[str]]) -> Sequence[str]:
        needed = [item for item in parameters if item.kind in _POSITIONAL and item.default is item.empty]
        names = {self._meaning(item.name) for item in parameters} - {None}
        for order in orders:
            if len(needed) <= len(order) and names <= set(order):
                return order
        return orders[0]

    def _meaning(self, name: str) -> str | None:
        meaning = _MEANING.get(name.replace("_", "").lower())
        if meaning in self._aliases:
            meaning = self._aliases[meaning]
        return meaning if meaning in self._known else None

    def _by_place(
        self, parameter: inspect.Parameter, order: Sequence[str], place: int, taken: set[str]
    ) -> str | None:
        """Returns what a parameter whose name says nothing stands for; None leaves it to its default."""
        if parameter.default is not parameter.empty:
            return None
        free = [meaning for meaning in order if meaning not in taken]
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY or not free:
            raise ConfigError(
                f"{self.name} wants an argument {parameter.name!r}, which is not known; "
                f"it may take {', '.join(order)}"
            )
        found = order[place] if place < len(order) and order[place] in free else free[0]
        taken.add(found)
        return found
