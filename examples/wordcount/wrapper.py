"""Counts lines, words and characters, as a wrapper of the first generation: functions instead of a class."""

import json

NO_TEXT = 100


def wrapperInit(config):
    """Loads nothing."""
    return 0


def wrapperOnceExec(usrTag, params, reqData, respData, psrIds, psrCnt):
    """Counts each input, and appends an output `counts` to respData."""
    counts = {item["key"]: count(item["data"]) for item in reqData}
    if not counts:
        return NO_TEXT
    data = json.dumps(counts)
    respData.append({"key": "counts", "data": data, "len": len(data), "status": 3, "type": 0})
    return 0


def wrapperError(ret):
    """Explains an error code."""
    return "the request holds no input" if ret == NO_TEXT else ""


def wrapperFini():
    """Releases nothing."""
    return 0


def count(data):
    """Returns the counts of one text; bytes that are no UTF-8 count as one character each."""
    text = data.decode("utf-8", "surrogateescape")
    return {"lines": len(text.splitlines()), "words": len(text.split()), "characters": len(text)}
