"""Keys, signatures and addresses: where they come from, and that no text shows a secret."""

import json
from pathlib import Path

import pytest

from athena.client.credentials import BearerKey, SigningPair, read_credentials
from athena.client.surroundings import address_of, ca_file_of, credentials_of
from athena.errors import ConfigError
from athena.protocol.signature import read_authorization, split_target

MADE = {"key": "athena_1", "api_key": "AK1", "api_secret": "s3cret"}
URL = "http://gateway:30889/v1/private/echo?wait=1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(MADE))
    return path


def test_key_is_a_header() -> None:
    assert BearerKey("athena_1").sign("POST", URL, b"") == (URL, {"Authorization": "Bearer athena_1"})


def test_pair_signs_the_query_or_the_head_with_the_body() -> None:
    url, headers = SigningPair("AK1", "s3cret").sign("POST", URL, b"x")
    target, signed = split_target(url.removeprefix("http://gateway:30889"))
    assert (target, headers) == ("/v1/private/echo?wait=1", {}) and signed["host"] == "gateway"

    url, headers = SigningPair("AK1", "s3cret", covers_body=True).sign("POST", URL, b"x")
    assert url == URL and read_authorization(headers["Authorization"]).covers_body
    assert headers["Host"] == "gateway:30889"


def test_no_text_shows_a_secret() -> None:
    assert "athena_1" not in repr(BearerKey("athena_1"))
    assert "s3cret" not in repr(SigningPair("AK1", "s3cret"))


def test_file_holds_a_key_or_what_the_command_printed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").write_text("athena_2\n")

    assert read_credentials(file) == BearerKey("athena_1")
    assert read_credentials(file, signs=True) == SigningPair("AK1", "s3cret")
    assert read_credentials(tmp_path / "alone") == BearerKey("athena_2")


@pytest.mark.parametrize(
    ("text", "signs", "words"),
    [
        ("athena_2", True, "holds a key alone"),
        ("{}", False, "no JSON with key"),
        ('{"key": "a"}', True, "api_key and api_secret"),
        ("{", False, "no JSON"),
        ("", False, "one word"),
        ("two words", False, "one word"),
        ("schlüssel", False, "one word"),
    ],
)
def test_file_that_holds_something_else_is_told_of(
    tmp_path: Path, text: str, signs: bool, words: str
) -> None:
    (tmp_path / "key").write_text(text)

    with pytest.raises(ConfigError, match=words):
        read_credentials(tmp_path / "key", signs)


def test_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the key"):
        read_credentials(tmp_path / "nothing")


def test_key_comes_from_the_argument_or_the_environment(file: Path) -> None:
    pair = SigningPair("AK1", "s3cret")
    both = {"ATHENA_KEY": "athena_3\n", "ATHENA_KEY_FILE": str(file)}

    assert credentials_of("athena_0", both) == BearerKey("athena_0")
    assert credentials_of(pair, both) == pair
    assert credentials_of(None, both) == BearerKey("athena_3")
    assert credentials_of(None, both, signs=True) == pair
    assert credentials_of(None, {"ATHENA_KEY_FILE": str(file)}) == BearerKey("athena_1")
    assert credentials_of(None, {}) is None
    with pytest.raises(ConfigError, match="ATHENA_KEY_FILE"):
        credentials_of(None, {"ATHENA_KEY": "athena_3"}, signs=True)


def test_address_comes_from_the_argument_or_the_environment() -> None:
    assert address_of("https://a:1/x/", {}) == "https://a:1/x"
    assert address_of(None, {"ATHENA_URL": "http://b"}) == "http://b"
    assert address_of(None, {}) == "http://127.0.0.1:30889"
    assert ca_file_of(None, {}) is None
    assert ca_file_of(Path("ca.pem"), {"ATHENA_CA_FILE": "other"}) == "ca.pem"
    assert ca_file_of(None, {"ATHENA_CA_FILE": "other"}) == "other"


@pytest.mark.parametrize(
    "url",
    ["gateway", "ftp://a", "http://", "http://a:x", "http://a?b=1", "http://u:p@a", "http://a#b", "http://["],
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a gateway"):
        address_of(url, {})
