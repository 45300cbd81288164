"""A wrapper of the first generation: functions in a module, dictionaries in and out."""

import os

LOADED = {}


def wrapperInit(config):
    LOADED["folder"] = os.getcwd()
    return 0


def wrapperFini():
    return 0


def wrapperError(ret):
    return "the text is empty" if ret == 100 else ""


def wrapperOnceExec(usrTag, params, reqData, respData, psrIds, psrCnt):
    text = next((item["data"] for item in reqData if item["key"] == "text"), b"")
    if not text:
        return 100
    answer = text.decode()[::-1] if params.get("turn", "") == "round" else text.decode()
    respData.append({"key": "result", "data": answer, "len": len(answer), "status": 3, "type": 0})
    return 0
