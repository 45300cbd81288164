"""Finds the `Wrapper` of an ability and what it declares."""

import importlib.util
import logging
import os
import sys
from dataclasses import replace
from typing import Any

import orjson

from athena.ability.aiges_import import import_document, is_schema_document
from athena.ability.declaration import declare
from athena.ability.manifest import Ability
from athena.ability.neighbours import clashes
from athena.compat import install_finder
from athena.errors import ConfigError
from athena.protocol.interface import Canary, Interface
from workers.runtime.golden import read_golden

logger = logging.getLogger(__name__)

#: The name under which wrappers expect to be imported.
MODULE = "wrapper"


def load_wrapper(ability: Ability) -> Any:
    """Imports the ability's wrapper.py and returns an instance of its `Wrapper`.

    A wrapper of the first generation has functions instead of a class; then the module is returned.

    The ability's folder becomes the working directory and comes first on `sys.path`: wrappers open files
    beside them and import modules beside them.

    Raises:
        ConfigError: the module has no class `Wrapper`, or imports a module whose name is taken (see
            `athena.ability.neighbours`).
        Exception: whatever the wrapper's own code raises.
    """
    install_finder()
    for clash in clashes(ability.wrapper_path):
        if not clash.is_standard:
            raise ConfigError(f"{clash.file}, line {clash.line}: {clash.text}; {clash.remedy}")
    os.chdir(ability.path)
    sys.path.insert(0, str(ability.path))
    # As a package whose modules lie beside it: `from . import model` finds one.
    spec = importlib.util.spec_from_file_location(
        MODULE, ability.wrapper_path, submodule_search_locations=[str(ability.path)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Before it is executed, as an import does: pickle and dataclasses look the module up by its name.
    sys.modules[MODULE] = module
    sys.modules["__main__"].__dict__["__getattr__"] = _find_for_pickle
    spec.loader.exec_module(module)
    wrapper_class = getattr(module, "Wrapper", None)
    if isinstance(wrapper_class, type):
        return wrapper_class()
    if callable(getattr(module, "wrapperOnceExec", None)):
        return module
    raise ConfigError(
        f"{ability.wrapper_path} defines no class Wrapper; derive one from athena.sdk.WrapperBase"
    )


def _find_for_pickle(name: str) -> Any:
    """Finds what `__main__` is asked for and does not have.

    A class that was in a script when it was pickled is looked for in `__main__` when it is loaded.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        return getattr(sys.modules[MODULE], name)
    except AttributeError:
        # Here, because `pickle` has words of its own for the error.
        logger.warning(
            "__main__.%s is not there: what a script has pickled needs its classes in wrapper.py", name
        )
        raise


def declared_interface(ability: Ability, wrapper: Any) -> Interface:
    """Returns what the ability accepts and answers, as its schema document says or its wrapper declares it.

    Raises:
        ConfigError: the document cannot be used; the message names the place.
    """
    interface = replace(declare(ability, wrapper, read_example(ability)), canary=_canary(ability))
    if not ability.schema_path.exists():
        return interface
    try:
        document = orjson.loads(ability.schema_path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{ability.schema_path} is not JSON: {error}") from None
    if not ability.schema and not is_schema_document(document):
        return interface
    try:
        return import_document(document).apply(interface)
    except ConfigError as error:
        raise ConfigError(f"{ability.schema_path}: {error.message}") from None


def _canary(ability: Ability) -> Canary | None:
    every_s = ability.worker.canary_s
    return Canary(every_s, read_golden(ability.golden_path)) if every_s else None


def read_example(ability: Ability) -> dict[str, Any] | None:
    """Returns the ability's example request, if it has one.

    Raises:
        ConfigError: the file is not JSON.
    """
    if not ability.example_path.exists():
        return None
    try:
        example: dict[str, Any] = orjson.loads(ability.example_path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{ability.example_path} is not JSON: {error}") from None
    return example
