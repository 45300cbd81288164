"""Files that hold secrets, and are in no archive that leaves the machine: by name, and by what is in them."""

from fnmatch import fnmatchcase
from pathlib import Path

#: Names of files and folders, in small letters, as shells match them.
NAMES = (
    # Variables of an environment; a template of them is meant to be seen.
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    # Logins of tools.
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".pypirc",
    ".npmrc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".dockercfg",
    ".aws",
    ".azure",
    ".boto",
    ".docker",
    ".gcloud",
    ".kube",
    ".huggingface",
    ".kaggle",
    "kubeconfig",
    "credentials",
    "credentials.*",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "secrets",
    "secret.*",
    "secrets.*",
    # Keys.
    ".ssh",
    ".gnupg",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.key",
    "*.ppk",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    # What was said and done.
    ".bash_history",
    ".zsh_history",
    ".python_history",
)

SHOWN = (".env.example", ".env.sample", ".env.template", ".env.dist")

#: What private keys begin with, whatever their files are called.
KEYS = (b"PuTTY-User-Key-File",)
PEM = b"-----BEGIN "
PRIVATE = b"PRIVATE KEY"

#: Where in a file a key may begin: certificates and comments come before it.
MAX_KEY_FILE = 64 * 1024

#: Python is read by people; a key in it is the author's own doing.
READ_BY_NAME = (".py", ".md")


def is_secret_name(name: str) -> bool:
    """Whether a file or folder of this name holds secrets."""
    name = name.lower()
    if name in SHOWN or name.endswith(READ_BY_NAME):
        return False
    return any(fnmatchcase(name, pattern) for pattern in NAMES)


def holds_private_key(path: Path, data: bytes) -> bool:
    """Whether a file is a private key, or a certificate together with one."""
    if len(data) > MAX_KEY_FILE or path.suffix in READ_BY_NAME:
        return False
    lines = [line for line in data.splitlines() if line.startswith((PEM, *KEYS))]
    return any(PRIVATE in line or line.startswith(KEYS) for line in lines)
