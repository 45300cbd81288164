"""The import paths of the original SDK, leading to `athena.sdk`."""
