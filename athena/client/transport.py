"""HTTP, by httpx: from what is to be sent to what came back."""

import math
import ssl
from dataclasses import dataclass

import httpx

from athena.client.credentials import Credentials
from athena.client.exchange import Answer, Ask, Lost
from athena.errors import ConfigError

CONNECT_S = 10.0

#: Each call that waits has a connection; httpx would have 100 of them, 20 of which it keeps.
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)

#: An answer takes so long at most, beside the wait that was asked for.
ANSWER_S = 60.0

#: Who waits to the last moment has the answer on its way by then.
GRACE_S = 5.0

#: What asking again does not change -> what does.
_FINAL = {
    "CERTIFICATE_VERIFY_FAILED": "name its authority's file (ATHENA_CA_FILE)",
    "WRONG_VERSION_NUMBER": "it speaks no TLS: write http:// in place of https://",
}


@dataclass(frozen=True)
class Gateway:
    """Where a gateway is, and how it is told who asks."""

    url: str
    credentials: Credentials | None
    ca_file: str | None = None

    def trust(self) -> ssl.SSLContext | bool:
        """Returns which certificates count.

        Raises:
            ConfigError: the file of authorities cannot be used.
        """
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot use the certificates in {self.ca_file}: {error}") from None

    def request(self, ask: Ask) -> httpx.Request:
        """Returns a request, signed for this moment."""
        url, signed = self.url + ask.path, {}
        if self.credentials is not None:
            url, told = self.credentials.sign(ask.method, url, ask.body)
            signed = dict(told)
        answer_s = min(ANSWER_S + ask.wait_s, ask.within_s + GRACE_S)
        # Among many calls of one client the last ones wait for a connection as long as they have time.
        pool_s = None if ask.within_s == math.inf else ask.within_s
        timeout = httpx.Timeout(answer_s, connect=CONNECT_S, pool=pool_s)
        return httpx.Request(
            ask.method,
            url,
            headers={"User-Agent": "athena-client", **ask.headers, **signed},
            content=ask.body if ask.method == "POST" else None,
            extensions={"timeout": timeout.as_dict()},
        )

    def lost(self, error: httpx.RequestError) -> Lost:
        """Returns why there is no answer, in words that help."""
        what = str(error) or type(error).__name__
        remedy = next((remedy for said, remedy in _FINAL.items() if said in what), "")
        if remedy:
            return Lost(f"{self.url} does not answer: {what}; {remedy}", is_final=True)
        if isinstance(error, httpx.ConnectError):
            what = f"{what}; ATHENA_URL, or url, names another address"
        return Lost(f"{self.url} does not answer: {what}")


def answer_of(response: httpx.Response) -> Answer:
    """Returns an answer that was read to its end."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)
