"""Calls a gateway from Python, waiting or with asyncio; needs no other part of Athena.

abilities: what a gateway says of an ability
async_client: the client for asyncio
answers: what an answer says
attempts: sending again what nobody has answered
bodies: values by name, as the body of a request
bulk: many jobs, queued by few requests
calls: from an ability's name and values to its outputs
client: the client that waits
credentials: keys and signatures
errors: what goes wrong
exchange: what is sent, and what comes back
job: one job, as a gateway tells of it
outputs: what an ability has answered
surroundings: the address and the key, where nobody names them
transport: HTTP, by httpx
"""

from athena.client.async_client import AsyncClient
from athena.client.bodies import Form
from athena.client.client import Client
from athena.client.credentials import BearerKey, Credentials, SigningPair
from athena.client.errors import (
    ClientError,
    JobFailedError,
    NotDoneError,
    RefusedError,
    UnreachableError,
)
from athena.client.job import Job
from athena.client.outputs import Outputs

__all__ = [
    "AsyncClient",
    "BearerKey",
    "Client",
    "ClientError",
    "Credentials",
    "Form",
    "Job",
    "JobFailedError",
    "NotDoneError",
    "Outputs",
    "RefusedError",
    "SigningPair",
    "UnreachableError",
]
