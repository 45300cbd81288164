"""The meaning of a sentence as numbers: wordllama, which has a vector for each word and no network."""

from pathlib import Path
from typing import Any

import wordllama
from made import SENTENCES
from wordllama import WordLlama

INPUTS = tuple(map(str.encode, SENTENCES))


def load() -> Any:
    # It looks for its own files beside its folder, and in the cache.
    return WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    vectors = model.embed([data.decode() for data in many])
    return [{"vector": [float(item) for item in row]} for row in vectors]
