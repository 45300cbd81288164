"""Athena Serving: hosts a wrapper.py as an HTTP API with a durable queue behind it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
