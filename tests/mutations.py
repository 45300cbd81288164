"""Requests that no sane caller sends, made from one that works."""

import copy
from typing import Any

from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    [
        "encoding",
        "compress",
        "format",
        "status",
        "text",
        "image",
        "audio",
        "other",
        "dataSrc",
        "url",
        "gpu_type",
    ]
)
LIKELY = st.sampled_from(
    [
        "utf8",
        "gbk",
        "gb2312",
        "gzip",
        "raw",
        "json",
        "plain",
        "png",
        "wav",
        "pcm",
        "http",
        "client",
        "any",
        "AAAA",
    ]
)
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.sampled_from(["replace", "replace", "delete", "add", "cut", "flip"]),
        st.text(max_size=8) | MEMBERS,
        JSON_VALUES | LIKELY,
    ),
    min_size=1,
    max_size=4,
)
BODIES = st.one_of(
    MUTATIONS,
    MUTATIONS,
    MUTATIONS,
    JSON_VALUES,
    st.binary(max_size=200),
)


def document_of(body: Any, example: Any) -> Any:
    """Returns the document that one of `BODIES`, not bytes, stands for."""
    is_mutation = isinstance(body, list) and body and isinstance(body[0], tuple)
    return mutate(copy.deepcopy(example), body) if is_mutation else body


def places(document: Any) -> list[tuple[Any, Any]]:
    """Returns each object and list with each of its keys."""
    found = []
    keys = document.keys() if isinstance(document, dict) else range(len(document))
    for key in list(keys):
        found.append((document, key))
        if isinstance(document[key], dict | list):
            found += places(document[key])
    return found


def mutate(document: Any, mutations: Any) -> Any:
    for number, operation, name, value in mutations:
        listed = places(document)
        if not listed:
            return value
        owner, key = listed[number % len(listed)]
        if operation == "delete":
            del owner[key]
        elif operation == "add" and isinstance(owner, dict):
            owner[name] = value
        elif operation == "cut" and isinstance(owner[key], str):
            owner[key] = owner[key][: number % (len(owner[key]) + 1)]
        elif operation == "flip" and isinstance(owner[key], str) and owner[key]:
            place = number % len(owner[key])
            owner[key] = owner[key][:place] + "Qz9"[number % 3] + owner[key][place + 1 :]
        else:
            owner[key] = value
    return document
