"""Numbers of the contract, as SDK 0.6 and later import them."""

from athena.sdk.types import *
from athena.sdk.types import __all__ as __all__
