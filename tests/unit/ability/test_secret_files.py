"""What `athena pack` takes for a secret."""

from pathlib import Path

import pytest

from athena.ability.secret_files import MAX_KEY_FILE, holds_private_key, is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.production",
        "prod.env",
        ".netrc",
        ".ssh",
        "id_ed25519",
        "ID_RSA",
        "server.key",
        ".aws",
        ".git-credentials",
        ".pypirc",
        "credentials.json",
        "secrets.yaml",
        "store.p12",
        ".docker",
        ".npmrc",
    ],
)
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "wrapper.py",
        "credentials.py",
        ".env.example",
        "model.onnx",
        "keys.txt",
        "ca.pem",
        "environment.yml",
        "tokenizer.json",
        "requirements.txt",
        ".gitignore",
        ".dockerignore",
        "monkey.jpg",
    ],
)
def test_ordinary_files_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "data",
    [
        b"-----BEGIN PRIVATE KEY-----\nabc",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
        b"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\r\n-----BEGIN RSA PRIVATE KEY-----\r\n",
        b"PuTTY-User-Key-File-3: ssh-ed25519\n",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    ],
)
def test_private_keys_are_known_by_their_first_line(data: bytes) -> None:
    assert holds_private_key(Path("model.pem"), data)


def test_certificates_sources_and_models_are_no_private_keys() -> None:
    key = b"-----BEGIN PRIVATE KEY-----\n"

    assert not holds_private_key(Path("ca.pem"), b"-----BEGIN CERTIFICATE-----\nabc")
    assert not holds_private_key(Path("wrapper.py"), key)
    assert not holds_private_key(Path("model.bin"), bytes(MAX_KEY_FILE) + b"\n" + key)
