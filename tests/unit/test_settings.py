"""Settings: defaults, sources, refusals."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from athena import setting_values
from athena.errors import ConfigError
from athena.setting_listing import origins, setting_table, unknown_variables
from athena.settings import Settings, from_env

ROOT = Path(__file__).parents[2]
ROOMS = ("athena", "api", "workers")


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


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("ATHENA_TRACE_RATIO", "1%", "must be a number"), ("ATHENA_PORT", "http", "must be a whole number")],
)
def test_what_is_no_number_is_told_in_words(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be used: {said}"):
        from_env({variable: value})


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


def found(environ: dict[str, str], **options: str) -> dict[str, tuple[str, str]]:
    return {item.variable: (item.value, item.source) for item in origins(environ, **options)}


def test_each_setting_tells_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "grace"
    file.write_text("7\n")
    environ = {"ATHENA_PORT": "81", "ATHENA_GRACE_S_FILE": str(file), "ATHENA_HOST": "::1"}

    told = found(environ, host="::")

    assert told["ATHENA_PORT"] == ("81", "environment")
    assert told["ATHENA_GRACE_S"] == ("7", f"file {file}")
    assert told["ATHENA_HOST"] == ("::", "option --host")
    assert told["ATHENA_LOG_LEVEL"] == ("INFO", "default")
    assert told["ATHENA_DATA_DIR"] == (str(Path.cwd() / ".athena"), "default")
    assert list(told) == [row.variable for row in setting_table()]


def test_secrets_are_masked_wherever_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "seal"
    file.write_text("hunter2" * 8)
    environ = {
        "ATHENA_ADMIN_TOKEN": "hunter2-hunter2-hunter2",
        "ATHENA_SEAL_KEY_FILE": str(file),
        "ATHENA_SENTINEL_PASSWORD": "hunter2",
    }

    told = found(environ, redis_url="redis://:hunter2@host")

    assert "hunter2" not in str(told)
    assert told["ATHENA_ADMIN_TOKEN"] == ("***", "environment")
    assert told["ATHENA_SEAL_KEY"] == ("***", f"file {file}")
    assert told["ATHENA_REDIS_URL"] == ("***", "option --redis")
    assert found({})["ATHENA_ADMIN_TOKEN"] == ("", "default")


def test_origins_refuse_what_the_start_refuses() -> None:
    with pytest.raises(ConfigError, match="ATHENA_PORT: '0' cannot be used"):
        origins({"ATHENA_PORT": "0"})


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=rf"ATHENA_PORT_FILE: cannot read {file}: it is no text"):
        from_env({"ATHENA_PORT_FILE": str(file)})


def test_variable_that_nobody_reads_is_told_with_the_nearest_setting() -> None:
    names = ["ATHENA_PROT", "ATHENA_PORT", "ATHENA_REDIS_URL_FILE", "PATH", "ATHENA_LISTEN_FD"]
    names += ["ATHENA_TEST_FUZZ", "ATHENA_ZZZZZZZZZZ", "ATHENA_URL", "ATHENA_KEY_FILE"]

    assert unknown_variables(names) == [("ATHENA_PROT", "ATHENA_PORT"), ("ATHENA_ZZZZZZZZZZ", "")]


def test_variables_that_processes_set_for_each_other_are_known() -> None:
    sources = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'"(ATHENA_[A-Z_]+)"', source)}

    assert "ATHENA_WORKER_LAUNCH" in named
    assert unknown_variables(named) == []


def test_collector_without_the_library_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"ATHENA_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert from_env(environment).otlp_endpoint == "http://127.0.0.1:4318"

    monkeypatch.setattr(setting_values, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"ATHENA_OTLP_ENDPOINT: .*pip install 'athena-serving\[otel\]'"):
        from_env(environment)


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "often"])
def test_share_of_traced_requests_is_from_0_to_1(value: str) -> None:
    with pytest.raises(ConfigError, match="ATHENA_TRACE_RATIO"):
        from_env({"ATHENA_TRACE_RATIO": value})
