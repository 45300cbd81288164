"""ONNX sessions that anything in a worker opens.

lines: what ONNX Runtime says, as part of the log
share: the worker's share of the host for them
"""
