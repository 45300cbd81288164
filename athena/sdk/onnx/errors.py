"""What `open_session` and its sessions raise."""


class OnnxError(RuntimeError):
    """A model cannot be opened or run as asked; the message names the file and the remedy."""


class ModelFileError(OnnxError):
    """A model's file is missing or damaged."""
