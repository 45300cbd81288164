"""The Helm chart, by the real Helm: what it makes of values, and what it refuses."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from athena.ability.manifest import load_ability
from athena.cli.author.export import chart_values
from athena.devices.types import CPU
from athena.errors import ConfigError
from athena.setting_listing import setting_table
from athena.settings import from_env
from tests.chart.objects import CASES, CHART, GOLDEN, golden, helm, install_tools, objects, render, validate
from tests.house import ROOT

#: The oldest that the chart takes, and one of now.
VERSIONS = ("1.28", "1.37")

Found = list[dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    install_tools()


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return {case: render(case) for case in CASES}


def of_kind(found: Found, kind: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in found if item["kind"] == kind}


def pods(found: Found) -> dict[str, Any]:
    kinds = ("Deployment", "StatefulSet")
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in found if item["kind"] in kinds
    }


def variables(pod: Any) -> dict[str, Any]:
    return {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}


@pytest.mark.parametrize("case", CASES)
def test_chart_makes_what_it_made(case: str, rendered: dict[str, str]) -> None:
    assert golden(rendered[case]) == (GOLDEN / f"{case}.yaml").read_text(), (
        "python -m tests.chart.objects renews it"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(version: str, rendered: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("\n---\n".join(rendered.values()))

    done = validate(file, version)

    assert done.returncode == 0, done.stdout + done.stderr


def test_validation_refuses_a_field_that_there_is_not(rendered: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text(rendered["minimal"].replace("replicas:", "replicaz:", 1))

    assert validate(file, VERSIONS[-1]).returncode != 0


@pytest.mark.parametrize("case", CASES)
def test_linter_has_nothing_to_say(case: str) -> None:
    done = helm("lint", CHART, "--strict", "--values", CHART / "ci" / f"{case}.yaml")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("typo", "where"),
    [
        ("gateway.replica=3", "'/gateway': additional properties 'replica'"),
        ("gateway.replicas=two", "at '/gateway/replicas'"),
        ("abilities.echo.pools.cpu.scale.maximum=3", "'maximum' not allowed"),
        ("abilities.Echo.image.repository=x", "invalid propertyName 'Echo'"),
        ("settings.LOG_LEVEL=debug", "invalid propertyName 'LOG_LEVEL'"),
        ("images.gateway.digest=sha256:12", "at '/images/gateway/digest'"),
        ("redis.enabled=false", "redis.external.urlSecret"),
        ("settings.ATHENA_GRACE_S=5", "gateway.graceS"),
        ("gateway.settings.ATHENA_ON_DEMAND=echo", "scale.enabled of pools"),
        ("abilities.echo.settings.ATHENA_PULSE_FILE=/x", "ATHENA_PULSE_FILE is no setting of yours"),
        (
            "gateway.secretSettings.ATHENA_REDIS_URL.name=x",
            "secretSettings.ATHENA_REDIS_URL is set elsewhere",
        ),
        ("flower.enabled=true", "flower.authSecret.name"),
    ],
)
def test_wrong_value_is_refused_and_named(typo: str, where: str) -> None:
    done = helm(
        "template",
        "athena",
        CHART,
        "--values",
        CHART / "ci" / "minimal.yaml",
        "--set",
        typo,
    )

    assert done.returncode != 0 and where in done.stderr, done.stderr


def test_external_redis_that_workers_could_not_reach_is_refused() -> None:
    file = CHART / "ci" / "external-redis.yaml"

    done = helm("template", "a", CHART, "--values", file, "--set", "networkPolicy.workersMayReach=null")

    assert "networkPolicy.workersMayReach" in done.stderr


def test_pool_of_a_scaler_has_no_number_of_its_own(rendered: dict[str, str]) -> None:
    found = objects(rendered["scale-to-zero"])
    deployments, scalers = of_kind(found, "Deployment"), of_kind(found, "ScaledObject")

    assert scalers.keys() == {"athena-echo-cpu", "athena-speech-t4g16"}
    for name, scaler in scalers.items():
        assert "replicas" not in deployments[name]["spec"]
        assert scaler["spec"]["scaleTargetRef"] == {"name": name}
        # Blind, it takes nobody away, and starts one where there is none.
        blind = {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}
        assert scaler["spec"]["fallback"] == blind
    trigger = scalers["athena-speech-t4g16"]["spec"]["triggers"][0]["metadata"]
    assert trigger["query"] == 'max(athena_demand_jobs{service_id="Speech_to_Text",gpu_type="T4G16"})'
    assert trigger["threshold"] == "8"
    gateway = pods(found)["athena-gateway"]
    assert variables(gateway)["ATHENA_ON_DEMAND"] == "Speech_to_Text,echo"


@pytest.mark.parametrize("case", CASES)
def test_budgets_leave_nodes_that_can_be_drained(case: str, rendered: dict[str, str]) -> None:
    found = objects(rendered[case])
    scalers = of_kind(found, "ScaledObject")

    def most(name: str) -> int:
        if name in scalers:
            return int(scalers[name]["spec"]["maxReplicaCount"])
        return int(of_kind(found, "Deployment")[name]["spec"]["replicas"])

    budgets = of_kind(found, "PodDisruptionBudget")
    may_be_several = {
        name for name in of_kind(found, "Deployment") if not name.endswith("flower") and most(name) > 1
    }
    assert budgets.keys() == may_be_several
    assert all(item["spec"]["maxUnavailable"] == 1 for item in budgets.values())


@pytest.mark.parametrize("case", CASES)
def test_pods_get_no_more_rights_than_they_need_and_a_limit_of_memory(
    case: str, rendered: dict[str, str]
) -> None:
    for name, pod in pods(objects(rendered[case])).items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        resources = container["resources"]
        assert "memory" in resources["limits"] and "cpu" in resources["requests"], name


@pytest.mark.parametrize("case", CASES)
def test_pod_has_time_to_end_what_it_runs(case: str, rendered: dict[str, str]) -> None:
    for name, pod in pods(objects(rendered[case])).items():
        grace_s = variables(pod).get("ATHENA_GRACE_S")
        assert grace_s is None or pod["terminationGracePeriodSeconds"] == int(grace_s) + 15, name


def test_worker_may_finish_its_longest_call(rendered: dict[str, str]) -> None:
    gpus, cpus = objects(rendered["gpu-fleet"]), objects(rendered["cpu"])

    assert pods(gpus)["athena-mmocr-a100"]["terminationGracePeriodSeconds"] == 135
    assert pods(cpus)["athena-mmocr-cpu"]["terminationGracePeriodSeconds"] == 45


def test_probes_of_workers_ask_their_own_pod_and_those_of_redis_no_password(rendered: dict[str, str]) -> None:
    found = pods(objects(rendered["cpu"]))
    worker, gateway = (found[f"athena-{name}"]["containers"][0] for name in ("mmocr-cpu", "gateway"))

    assert worker["livenessProbe"]["exec"]["command"] == ["athena", "probe"]
    assert variables(found["athena-mmocr-cpu"])["ATHENA_PULSE_FILE"].startswith("/tmp/")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert gateway[probe]["httpGet"]["scheme"] == "HTTPS"
    # A gateway that was ready once stays in its Service while Redis is away.
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/livez"


def test_images_of_a_closed_network_come_from_its_registry(rendered: dict[str, str]) -> None:
    found = objects(rendered["gpu-fleet"])
    images = [pod["containers"][0]["image"] for pod in pods(found).values()]
    images += [item["spec"]["containers"][0]["image"] for item in of_kind(found, "Pod").values()]

    assert len(images) == 6
    assert all(image.startswith("registry.internal:5000/athena/athena-") for image in images)
    assert all(pod["imagePullSecrets"] == [{"name": "registry"}] for pod in pods(found).values())


def test_secrets_reach_the_gateway_alone(rendered: dict[str, str]) -> None:
    for name, pod in pods(objects(rendered["cpu"])).items():
        assert ("ATHENA_ADMIN_TOKEN" in variables(pod)) == (name == "athena-gateway"), name


def test_every_setting_that_the_chart_names_is_one(rendered: dict[str, str]) -> None:
    known = {row.variable for row in setting_table()}

    for case in CASES:
        for pod in pods(objects(rendered[case])).values():
            names = [item["name"] for item in pod["containers"][0]["env"]]
            assert {name for name in names if name.startswith("ATHENA_")} <= known
            assert len(names) == len(set(names)), "the API server refuses a variable that is there twice"


def test_labels_of_pods_do_not_change_with_the_version(rendered: dict[str, str]) -> None:
    for item in objects(rendered["cpu"]):
        if item["kind"] in ("Deployment", "StatefulSet"):
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert labels == item["spec"]["selector"]["matchLabels"]


def test_rules_and_dashboards_are_those_of_the_monitoring_folder(
    rendered: dict[str, str], tmp_path: Path
) -> None:
    found = objects(rendered["cpu"])
    rules = {
        name.removeprefix("athena-"): item["spec"] for name, item in of_kind(found, "PrometheusRule").items()
    }
    folder = ROOT / "monitoring" / "prometheus" / "rules"

    assert rules == {file.stem: yaml.safe_load(file.read_text()) for file in folder.glob("*.yml")}
    shown = of_kind(found, "ConfigMap")
    for file in (ROOT / "monitoring" / "grafana" / "dashboards").glob("*.json"):
        data = shown[f"athena-dashboard-{file.stem}"]["data"]
        assert json.loads(data[file.name]) == json.loads(file.read_text())

    # In the package, too, where there are no links.
    assert helm("package", CHART, "--destination", tmp_path).returncode == 0
    with tarfile.open(next(tmp_path.glob("athena-*.tgz"))) as package:
        members = {member.name: member for member in package.getmembers()}
    assert members["athena/files/rules/alerts.yml"].isfile()
    assert not any(name.startswith("athena/ci/") for name in members)


def test_password_made_by_chance_is_long_and_in_the_url() -> None:
    found = objects(render("minimal", "--set", "redis.password="))

    secret = of_kind(found, "Secret")["athena-redis"]["stringData"]
    assert len(secret["password"]) == 32
    assert secret["url"] == f"redis://:{secret['password']}@athena-redis:6379/0"


def test_notes_name_the_next_command() -> None:
    done = helm("install", "athena", CHART, "--values", CHART / "ci" / "minimal.yaml", "--dry-run=client")

    assert "rollout status deployment/athena-gateway" in done.stdout, done.stderr


def test_chart_has_the_version_of_the_package() -> None:
    from athena import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_command_of_the_cluster_image_is_one_for_this_chart(tmp_path: Path) -> None:
    lines = (ROOT / "deploy" / "sealos" / "Kubefile").read_text().splitlines()
    variables = next(line for line in lines if line.startswith("ENV ")).removeprefix("ENV ").split()
    (command,) = json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    # As sealos does.
    for name, value in (variable.split("=", 1) for variable in variables):
        command = command.replace(f"$({name})", value)
    assert "$(" not in command
    assert command.startswith("helm upgrade --install athena charts/athena ")
    options = command.removeprefix("helm upgrade --install athena charts/athena ").split()
    options[options.index("values.yaml")] = str(CHART / "ci" / "minimal.yaml")

    done = helm("template", "athena", CHART, *options)

    assert done.returncode == 0, done.stderr
    assert "image: sealos.hub:5000/athena/athena-gateway:" in done.stdout


def test_own_variables_of_the_chart_are_those_that_it_sets(rendered: dict[str, str]) -> None:
    text = (CHART / "templates" / "_pods.tpl").read_text()
    told = text.partition('define "athena.ownVariables" -}}')[2].partition("{{- end }}")[0]
    own = set(yaml.safe_load(told))

    given = {"ATHENA_ADMIN_TOKEN", "ATHENA_SEAL_KEY"}
    for case in CASES:
        values = yaml.safe_load((CHART / "ci" / f"{case}.yaml").read_text())
        given |= set(values.get("settings", {})) | set(values.get("gateway", {}).get("settings", {}))
        for ability in values["abilities"].values():
            given |= set(ability.get("settings", {}))
    found = {
        name for case in CASES for pod in pods(objects(rendered[case])).values() for name in variables(pod)
    }
    assert {name for name in found if name.startswith("ATHENA_")} - given == own


# athena export


def exported(folder: Path, text: str, **options: Any) -> Any:
    folder.mkdir()
    (folder / "wrapper.py").write_text("")
    (folder / "ability.toml").write_text(text)
    return chart_values([load_ability(folder)], "athena-", **options)["abilities"]


def test_ability_is_exported_with_its_slots_and_limits_and_a_name_that_fits(tmp_path: Path) -> None:
    text = """
service_id = "Speech_to_Text_of_many_words"
[gpu]
types = ["T4G16", "cpu"]
workers_per_gpu = 2
[worker]
slots = 8
[limits]
max_exec_s = 90
"""
    values = exported(tmp_path / "speech", text, scale=3)

    (name,) = values
    assert name == "speech-to-text-of-ma"
    ability = values[name]
    assert (ability["serviceId"], ability["maxExecS"]) == ("Speech_to_Text_of_many_words", 90)
    assert ability["pools"]["t4g16"]["scale"] == {"enabled": True, "min": 0, "max": 3, "slots": 16}
    assert ability["pools"][CPU] == {
        "gpuType": "cpu",
        "scale": {"enabled": True, "min": 0, "max": 3, "slots": 8},
    }


def test_types_that_the_cluster_has_not_are_left_out(tmp_path: Path) -> None:
    text = '[gpu]\ntypes = ["T4G16", "cpu"]\n'

    assert exported(tmp_path / "a", text, types=["cpu"])["a"]["pools"] == {"cpu": {"gpuType": "cpu"}}
    with pytest.raises(ConfigError, match="b runs on T4G16, cpu, not on A100G80"):
        exported(tmp_path / "b", text, types=["A100G80"])


def test_two_abilities_with_one_name_in_the_cluster_are_refused(tmp_path: Path) -> None:
    abilities = []
    for service_id in ("a_b", "a-b"):
        folder = tmp_path / service_id
        folder.mkdir()
        (folder / "wrapper.py").write_text("")
        abilities.append(load_ability(folder))

    with pytest.raises(ConfigError, match="both become a-b"):
        chart_values(abilities, "")


def test_what_is_exported_can_be_installed(tmp_path: Path) -> None:
    options = ("abilities/mmocr", "abilities/echo", "--scale", "2")
    command = [sys.executable, "-P", "-m", "athena", "export", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    (tmp_path / "values.yaml").write_text(done.stdout)

    rendered = helm("template", "athena", CHART, "--values", tmp_path / "values.yaml")

    assert rendered.returncode == 0, rendered.stderr
    assert "athena-mmocr-a100g80" in of_kind(objects(rendered.stdout), "ScaledObject")


def test_version_beside_the_main_one_has_pods_and_a_scaler_of_its_own(tmp_path: Path) -> None:
    values: dict[str, Any] = {}
    for name, text in (("echo", ""), ("next", 'service_id = "echo"\nversion = "v2"\nbeside = true')):
        values |= exported(tmp_path / name, text, scale=2)
    assert values["echo-v2"]["serviceId"] == "echo@v2"
    assert values["echo-v2"]["image"] == {"repository": "athena-echo", "tag": "v2"}
    (tmp_path / "values.yaml").write_text(json.dumps({"abilities": values}))

    rendered = helm(
        *("template", "athena", CHART, "--values", CHART / "ci" / "scale-to-zero.yaml"),
        *("--values", tmp_path / "values.yaml"),
    )

    assert rendered.returncode == 0, rendered.stderr
    found = objects(rendered.stdout)
    scaler = of_kind(found, "ScaledObject")["athena-echo-v2-cpu"]
    assert 'service_id="echo@v2",gpu_type="cpu"' in scaler["spec"]["triggers"][0]["metadata"]["query"]
    # And a gateway starts with what the chart tells it.
    told = variables(pods(found)["athena-gateway"])["ATHENA_ON_DEMAND"]
    assert "echo@v2" in from_env({"ATHENA_ON_DEMAND": told}).on_demand
