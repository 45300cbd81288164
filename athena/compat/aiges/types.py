"""Numbers of the contract, as SDK 0.4 and 0.5 import them."""

from athena.sdk.types import *
from athena.sdk.types import __all__ as __all__
