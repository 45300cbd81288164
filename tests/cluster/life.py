"""The chart's life: install, upgrade, roll back, and what may be taken away at once."""

import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.chart.objects import CASES, CHART
from tests.cluster.plane import NODES, TOOLS, Plane, wait_for

Row = tuple[str, str]

NAMESPACE = "athena"


def check_cases(plane: Plane) -> Iterator[Row]:
    """The API server takes every object of every case, with the kinds of KEDA and Prometheus' operator."""
    for file in sorted((plane.programs / "crds").glob("*.yaml")):
        plane.kubectl("apply", "--server-side", "-f", str(file))
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl(
        "-n",
        NAMESPACE,
        "create",
        "secret",
        "generic",
        "redis-url",
        "--from-literal=url=redis://redis.example",
    )
    for case in CASES:
        values = CHART / "ci" / f"{case}.yaml"
        wait_for("the kinds are known", partial(_dry_run, plane, values), 60)
    yield "objects of every case in CI, dry run by the server", f"{len(CASES)} cases taken"


def _dry_run(plane: Plane, values: Any) -> bool:
    text = plane.helm("template", "athena", CHART, "--values", values, "--namespace", NAMESPACE, "--no-hooks")
    try:
        plane.kubectl("-n", NAMESPACE, "apply", "--server-side", "--dry-run=server", "-f", "-", stdin=text)
    except AssertionError as error:
        if "no matches for kind" in str(error):
            return False
        raise
    return True


def check_life(plane: Plane) -> Iterator[Row]:
    """Install, upgrade, rollback, budgets and a drain, in this order."""
    release = ("athena", CHART, "--namespace", NAMESPACE, "--values", CHART / "ci" / "gpu-fleet.yaml")
    began_s = time.monotonic()
    plane.helm("install", *release)
    _wait_for_all(plane)
    objects = len(plane.get("-n", NAMESPACE, "all,pdb,networkpolicy,secret,sa,pvc")["items"])
    yield "helm install", f"{objects} objects, all pods ready after {time.monotonic() - began_s:.0f} s"
    on_gpus = [pod for pod in _pods(plane) if "t4g16" in pod["metadata"]["name"]]
    assert {pod["spec"]["nodeName"] for pod in on_gpus} == {"gpu-1"}, on_gpus
    yield "pods that want a T4 are on the node with GPUs", f"{len(on_gpus)} of {len(on_gpus)}"

    before = _password(plane)
    least = _watch(plane, lambda: plane.helm("upgrade", *release, "--set", "gateway.graceS=40"))
    assert _password(plane) == before, "an upgrade changed the password of Redis"
    assert least["athena-gateway"] >= 2, least
    assert _revision(plane, "athena-redis") == 1, "an upgrade of the gateway restarted Redis"
    yield "helm upgrade", f"never fewer than {least['athena-gateway']} of 2 gateways; Redis' pod stays"

    least = _watch(plane, lambda: plane.helm("rollback", "athena", "1", "--namespace", NAMESPACE))
    assert _grace(plane) == 45, "the rollback did not bring the old values back"
    yield "helm rollback", f"never fewer than {least['athena-gateway']} of 2 gateways; old values are back"

    yield from _check_budgets(plane)
    plane.helm("uninstall", "athena", "--namespace", NAMESPACE)
    kept = plane.kubectl("-n", NAMESPACE, "get", "secret,pvc", "-o", "name").split()
    assert {"secret/athena-redis", "persistentvolumeclaim/data-athena-redis-0"} <= set(kept), kept
    plane.helm("install", *release)
    assert _password(plane) == before, "the next install did not take over the password"
    yield "helm uninstall and install again", "volume and password of Redis are kept and taken up again"
    plane.helm("uninstall", "athena", "--namespace", NAMESPACE)


def check_command(command: str, folder: Path, plane: Plane) -> Iterator[Row]:
    """Installs the chart by a command of somebody else, and waits until all pods are ready."""
    path = f"{TOOLS}:{plane.environment['PATH']}"
    environment = {**plane.environment, "PATH": path}
    subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    _wait_for_all(plane)
    images = {pod["spec"]["containers"][0]["image"] for pod in _pods(plane)}
    yield (
        "installed by the command of the cluster image",
        f"all pods ready; images: {', '.join(sorted(images))}",
    )


def _check_budgets(plane: Plane) -> Iterator[Row]:
    _wait_for_all(plane)
    gateways = [pod for pod in _pods(plane) if pod["metadata"]["name"].startswith("athena-gateway")]
    # What is evicted finds no other place for now.
    plane.kubectl("cordon", *NODES)
    answers = [_evict(plane, pod["metadata"]["name"]) for pod in gateways]
    plane.kubectl("uncordon", *NODES)
    assert answers == ["", "disruption budget"], answers
    yield "two gateways evicted, no room for others", "the second is refused by its budget"
    _wait_for_all(plane)
    node = _node_of(plane, "athena-gateway")
    least = _watch(
        plane,
        lambda: plane.kubectl(
            "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"
        ),
    )
    plane.kubectl("uncordon", node)
    assert least["athena-gateway"] >= 1, least
    yield f"drain of a node ({node})", f"ended; never fewer than {least['athena-gateway']} of 2 gateways"
    _wait_for_all(plane)
    pod = next(name for item in _pods(plane) if "mmocr-t4g16" in (name := item["metadata"]["name"]))
    least = _watch(plane, lambda: plane.kubectl("-n", NAMESPACE, "delete", "pod", pod, "--wait=false"))
    yield "a pod of workers deleted", f"never fewer than {least['athena-mmocr-t4g16']} of 2, and back"


def _node_of(plane: Plane, beginning: str) -> str:
    found = (pod for pod in _pods(plane) if pod["metadata"]["name"].startswith(beginning))
    return str(next(found)["spec"]["nodeName"])


def _evict(plane: Plane, name: str) -> str:
    """Asks for an eviction; returns "" or why it was refused."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    try:
        plane.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    except AssertionError as error:
        assert "disruption budget" in str(error), error
        return "disruption budget"
    return ""


def _pods(plane: Plane) -> list[Any]:
    """Returns the pods that are to stay."""
    found = plane.get("-n", NAMESPACE, "pods")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _ready(plane: Plane) -> dict[str, tuple[int, int]]:
    """Returns Deployment -> pods that are ready, and how many there are to be."""
    return {
        item["metadata"]["name"]: (item["status"].get("readyReplicas", 0), item["spec"]["replicas"])
        for item in plane.get("-n", NAMESPACE, "deployments")["items"]
    }


def _settled(plane: Plane) -> bool:
    items = plane.get("-n", NAMESPACE, "deployments,statefulsets")["items"]
    return bool(items) and all(
        item["status"].get("observedGeneration") == item["metadata"]["generation"]
        and item["status"].get("updatedReplicas") == item["spec"]["replicas"]
        and item["status"].get("replicas") == item["spec"]["replicas"]
        and item["status"].get("readyReplicas") == item["spec"]["replicas"]
        for item in items
    )


def _wait_for_all(plane: Plane) -> None:
    wait_for("all pods are ready", lambda: _settled(plane), 180)


def _watch(plane: Plane, act: Any) -> dict[str, int]:
    """Does something, and returns Deployment -> the fewest ready pods until all is settled again."""
    least = {name: ready for name, (ready, _) in _ready(plane).items()}
    act()
    deadline_s = time.monotonic() + 180
    while True:
        for name, (ready, _) in _ready(plane).items():
            least[name] = min(least.get(name, ready), ready)
        if _settled(plane):
            return least
        assert time.monotonic() < deadline_s, f"not settled: {_ready(plane)}"


def _password(plane: Plane) -> str:
    return str(plane.get("-n", NAMESPACE, "secret", "athena-redis")["data"]["password"])


def _revision(plane: Plane, name: str) -> int:
    revisions = plane.get("-n", NAMESPACE, "controllerrevisions")["items"]
    return sum(item["metadata"]["ownerReferences"][0]["name"] == name for item in revisions)


def _grace(plane: Plane) -> int:
    pod = plane.get("-n", NAMESPACE, "deployment", "athena-gateway")["spec"]["template"]["spec"]
    return int(pod["terminationGracePeriodSeconds"])
