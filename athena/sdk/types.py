"""Numbers of the wrapper contract: what kind of data a node holds, and which part of a stream it is."""

DataText = 0
DataAudio = 1
DataImage = 2
DataVideo = 3

#: Data type number -> the name of the field that carries it in a payload object.
DATA_FIELD_BY_TYPE = {DataText: "text", DataAudio: "audio", DataImage: "image", DataVideo: "video"}

DataBegin = 0
DataContinue = 1
DataEnd = 2
DataOnce = 3
