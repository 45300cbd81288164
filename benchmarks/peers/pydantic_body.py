"""The request for the peers that validate with pydantic: the same fields and limits as Athena's schema."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Short = Annotated[str, Field(max_length=50)]
Compression = Literal["raw", "gzip"]


class Closed(BaseModel):
    """Unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class Header(Closed):
    """Who asks."""

    app_id: Annotated[str, Field(min_length=1, max_length=50)]
    status: Literal[3]
    uid: Short | None = None
    net_type: Literal["wifi", "2G", "3G", "4G", "5G"] | None = None


class Output(Closed):
    """How an output is wanted."""

    encoding: Annotated[str, Field(max_length=32)] | None = None
    compress: Compression | None = None
    format: Literal["plain", "json", "xml"] | None = None


class Data(Closed):
    """An input, as base64."""

    encoding: Annotated[str, Field(max_length=32)] | None = None
    compress: Compression | None = None
    status: Literal[0, 1, 2, 3] | None = None
    text: Annotated[str, Field(max_length=16_777_216)] | None = None
    image: Annotated[str, Field(max_length=16_777_216)] | None = None


class Body(Closed):
    """The whole request."""

    header: Header
    parameter: dict[str, dict[str, Output]]
    payload: dict[str, Data]
