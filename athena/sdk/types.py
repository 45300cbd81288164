"""Numbers of the wrapper contract: what kind of data a node holds, and which part of a stream it is."""

__all__ = [
    "AUDIO",
    "IMAGE",
    "PROCESS_MODE",
    "STRING",
    "THREAD_MODE",
    "VIDEO",
    "DataAudio",
    "DataBegin",
    "DataContinue",
    "DataEnd",
    "DataImage",
    "DataOnce",
    "DataOther",
    "DataPer",
    "DataText",
    "DataVideo",
    "Once",
    "Status",
    "Types",
]

DataText = 0
DataAudio = 1
DataImage = 2
DataVideo = 3
#: Data of no other kind. The original framework's `DataPer` has the same number, and is never an input.
DataOther = 4
DataPer = 4

STRING = DataText
AUDIO = DataAudio
IMAGE = DataImage
VIDEO = DataVideo

#: Data type number -> the name of the field that carries it in a payload object.
DATA_FIELD_BY_TYPE = {DataText: "text", DataAudio: "audio", DataImage: "image", DataVideo: "video"}
Types = DATA_FIELD_BY_TYPE

DataBegin = 0
DataContinue = 1
DataEnd = 2
DataOnce = 3
Once = DataOnce

Status = {DataBegin: "begin", DataContinue: "continue", DataEnd: "end", DataOnce: "once"}

#: Modes of `SessionManager.init_handle_pool`.
THREAD_MODE = "thread"
PROCESS_MODE = "process"
