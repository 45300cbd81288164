"""What is installed, and whether it fits."""

from importlib.metadata import PackageNotFoundError

from athena.environments.packages import Lookup, constraints, misfits, packages_of, versions


def lookup(**packages: tuple[str, list[str]]) -> Lookup:
    def find(name: str) -> tuple[str, list[str]]:
        found = packages.get(name.replace("-", "_"))
        if found is None:
            raise PackageNotFoundError(name)
        return found

    return find


def test_this_installation_fits() -> None:
    assert misfits() == []
    assert versions()["celery"] and versions()["athena-serving"]


def test_package_that_is_missing_or_has_the_wrong_version_is_told() -> None:
    found = misfits(
        lookup(
            athena_serving=("1", ["flask>=3,<4", "celery==5.7.*", "orjson"]),
            flask=("2.1", []),
            orjson=("3", []),
        )
    )

    assert found == [
        "athena-serving needs celery, which is not installed",
        "athena-serving needs flask<4,>=3, and 2.1 is installed",
    ]


def test_what_dependencies_ask_for_is_looked_at_too() -> None:
    found = misfits(
        lookup(
            athena_serving=("1", ["redis[hiredis]>=6"]),
            redis=("6.4", ['hiredis>=3; extra == "hiredis"', 'old; python_version < "3"', "athena-serving"]),
            hiredis=("2.0", []),
        )
    )

    assert found == ["redis needs hiredis>=3, and 2.0 is installed"]


def test_extras_that_nobody_chose_are_not_asked_for() -> None:
    assert misfits(lookup(athena_serving=("1", ['onnxruntime>=1.20; extra == "cpu"']))) == []


def test_sources_that_were_never_installed_have_nothing_wrong() -> None:
    assert misfits(lookup()) == []
    assert set(versions(lookup()).values()) == {""}


def test_constraints_are_the_ranges_that_somebody_asks_for() -> None:
    found = constraints(
        lookup(
            athena_serving=("1", ["redis[hiredis]>=6", "orjson", 'old<1; python_version < "3"']),
            redis=("6.4", ['hiredis>=3; extra == "hiredis"']),
            hiredis=("3.1", ["orjson<4"]),
            orjson=("3", []),
        )
    )

    assert found == ["hiredis>=3", "orjson<4", "redis>=6"]


def test_packages_of_an_environment_come_before_ours() -> None:
    find = packages_of({"click": ("7.0", [])})

    assert find("Click")[0] == "7.0"
    assert find("celery")[0] == versions()["celery"]
    assert any(line.endswith("and 7.0 is installed") for line in misfits(find))
