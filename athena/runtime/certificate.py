"""The certificate that a gateway shows its callers, read again when its files change."""

import logging
import os
import ssl

from athena.errors import ConfigError

logger = logging.getLogger(__name__)

#: Size, inode and time of both files.
Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate with its key, and the TLS context made of them.

    A renewal makes a new context: a file that is half written, or fits the other no more, leaves the old one
    as it is. Connections keep the context with which they began.

    Args:
        cert_file: PEM, the server's certificate first, then those that lead to its authority.
        key_file: PEM, without a passphrase.

    Attributes:
        context: for new connections.

    Raises:
        ConfigError: the files cannot be used.
    """

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._files = (cert_file, key_file)
        self._stamp = self._look()
        self.context = make_context(cert_file, key_file)

    def renew(self) -> bool:
        """Takes files in that have changed; returns whether there is a new context."""
        # Before they are read: what is written meanwhile is seen the next time.
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.context = make_context(*self._files)
        except ConfigError as error:
            logger.error("the certificate stays the one before: %s", error.message)
            return False
        logger.info("new connections get the certificate of now in %s", self._files[0])
        return True

    def _look(self) -> Stamp:
        try:
            found = [os.stat(path) for path in self._files]
        except OSError:
            # A renewal may remove a file before it writes the next.
            return ()
        return tuple((status.st_size, status.st_ino, status.st_mtime_ns) for status in found)


def make_context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """Returns the context of a server that shows this certificate.

    Raises:
        ConfigError: the files cannot be used; the message names them and what is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 8996 forbids what came before; Python's own default depends on how OpenSSL was built.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A handshake costs a server a hundred times what it costs a caller, who may ask for no second one.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file, _refuse_passphrase)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ConfigError(
            f"ATHENA_TLS_CERT_FILE={cert_file}, ATHENA_TLS_KEY_FILE={key_file}: {reason}; both have to be "
            "PEM, the server's certificate first in its file, and the key has to be that certificate's"
        ) from None
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"ATHENA_TLS_CERT_FILE={cert_file}, ATHENA_TLS_KEY_FILE={key_file}: {what}"
        ) from None
    return context


def load_certificate(cert_file: str, key_file: str) -> Certificate | None:
    """Returns the certificate that the settings name, None where they name none.

    Raises:
        ConfigError: the files cannot be used, or one is missing.
    """
    if not cert_file and not key_file:
        return None
    if not (cert_file and key_file):
        missing = "ATHENA_TLS_KEY_FILE" if cert_file else "ATHENA_TLS_CERT_FILE"
        raise ConfigError(f"TLS needs a certificate and its key: set {missing} too")
    return Certificate(cert_file, key_file)


def _refuse_passphrase() -> str:
    # Without this OpenSSL would ask at the terminal, and the gateway wait for ever.
    raise ValueError("the key asks for a passphrase; store it without: openssl pkey -in KEY -out PLAIN")
