"""Settings: defaults, sources, refusals."""

from dataclasses import fields
from pathlib import Path

import pytest

from athena.errors import ConfigError
from athena.settings import Settings, from_env, setting_table


def test_defaults_are_used_when_nothing_is_set() -> None:
    settings = from_env({})

    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 30889, "")
    assert settings.max_body_bytes == 64 * 1024 * 1024
    assert settings.data_dir == Path.cwd() / ".athena"
    assert settings.log_level == "INFO"


def test_environment_wins_over_the_default() -> None:
    settings = from_env({"ATHENA_PORT": "81", "ATHENA_GRACE_S": "0.5", "PORT": "82"})

    assert (settings.port, settings.grace_s) == (81, 0.5)


def test_option_wins_over_the_environment() -> None:
    settings = from_env({"ATHENA_PORT": "81", "ATHENA_HOST": "::"}, port="82", host=None)

    assert (settings.port, settings.host) == (82, "::")


def test_value_is_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("redis://:pw@host\n")

    settings = from_env({"ATHENA_REDIS_URL_FILE": str(secret)})

    assert settings.redis_url == "redis://:pw@host"


def test_variable_wins_over_its_file(tmp_path: Path) -> None:
    settings = from_env({"ATHENA_REDIS_URL": "redis://a", "ATHENA_REDIS_URL_FILE": str(tmp_path / "none")})

    assert settings.redis_url == "redis://a"


def test_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"ATHENA_REDIS_URL_FILE: cannot read /nowhere: No such"):
        from_env({"ATHENA_REDIS_URL_FILE": "/nowhere"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATHENA_PORT", "0"),
        ("ATHENA_PORT", "65536"),
        ("ATHENA_PORT", "http"),
        ("ATHENA_PORT", ""),
        ("ATHENA_MAX_BODY_BYTES", "0"),
        ("ATHENA_INLINE_PAYLOAD_BYTES", "-1"),
        ("ATHENA_GRACE_S", "0"),
        ("ATHENA_GRACE_S", "nan"),
        ("ATHENA_GRACE_S", "inf"),
        ("ATHENA_GRACE_S", "soon"),
        ("ATHENA_LOG_LEVEL", "loud"),
    ],
)
def test_bad_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_env({variable: value})

    assert error.value.message.startswith(f"{variable}: {value!r} cannot be used: ")


def test_bad_option_is_refused_by_its_name_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match="--flower-port: 'x' cannot be used"):
        from_env({}, flower_port="x")


def test_zero_is_allowed_where_it_means_never() -> None:
    settings = from_env({"ATHENA_INLINE_PAYLOAD_BYTES": "0", "ATHENA_FLOWER_JOBS_PER_S": "0"})

    assert (settings.inline_payload_bytes, settings.flower_jobs_per_s) == (0, 0)


def test_repr_hides_secrets() -> None:
    settings = from_env({"ATHENA_REDIS_URL": "redis://:hunter2@host"})

    assert "hunter2" not in repr(settings)
    assert "port=30889" in repr(settings)


def test_table_has_a_row_with_help_for_each_setting() -> None:
    table = setting_table()

    assert [row.variable for row in table] == [f"ATHENA_{item.name.upper()}" for item in fields(Settings)]
    assert all(row.help for row in table)
