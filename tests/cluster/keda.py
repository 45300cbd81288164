"""KEDA beside a cluster: its operator, and the API of metrics that the autoscaler asks."""

import subprocess
from collections.abc import Mapping
from typing import Any

import requests

from tests.cluster.plane import Plane, wait_for
from tests.ports import free_port

NAMESPACE = "keda"

_METRICS = "v1beta1.external.metrics.k8s.io"

#: Without them the programs look for those of their own pod. Empty stands for all namespaces.
_VARIABLES = {
    "WATCH_NAMESPACE": "",
    "POD_NAMESPACE": NAMESPACE,
    "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
}


def start_keda(plane: Plane) -> None:
    """Starts its two programs, and waits until the autoscaler can ask them."""
    _make_kinds(plane)
    questions, health, api = free_port(), free_port(), free_port()
    operator = _run_operator(plane, questions, health)
    wait_for("KEDA's operator is ready", lambda: _is_ready(operator, health))
    _run_adapter(plane, questions, api)
    plane.apply(*_announced(api))
    wait_for("the API of metrics is there", lambda: _is_available(plane))


def state(plane: Plane, namespace: str, name: str) -> dict[str, bool]:
    """Returns what KEDA says of a ScaledObject: Ready, Active, Fallback and others."""
    status = plane.get("-n", namespace, "scaledobject", name).get("status", {})
    return {one["type"]: one["status"] == "True" for one in status.get("conditions", [])}


def _make_kinds(plane: Plane) -> None:
    for file in sorted((plane.programs / "crds").glob("*.yaml")):
        plane.kubectl("apply", "--server-side", "-f", str(file))
    plane.kubectl("create", "namespace", NAMESPACE)
    kinds = ("scaledobjects", "scaledjobs", "triggerauthentications")
    plane.kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        *(f"crd/{kind}.keda.sh" for kind in kinds),
    )


def _run_operator(plane: Plane, questions: int, health: int) -> "subprocess.Popen[bytes]":
    return plane.run(
        "keda-operator",
        plane.programs / "bin" / "operator",
        f"--metrics-service-bind-address=127.0.0.1:{questions}",
        f"--metrics-bind-address=127.0.0.1:{free_port()}",
        f"--health-probe-bind-address=127.0.0.1:{health}",
        f"--cert-dir={plane.certificates}",
        # The certificates are those of the cluster, which both programs share.
        "--enable-cert-rotation=false",
        "--enable-webhook-patching=false",
        "--enable-apiservice-patching=false",
        **_VARIABLES,
    )


def _run_adapter(plane: Plane, questions: int, api: int) -> None:
    tls, kubeconfig = plane.certificates, plane.environment["KUBECONFIG"]
    plane.run(
        "keda-adapter",
        plane.programs / "bin" / "adapter",
        f"--secure-port={api}",
        "--bind-address=127.0.0.1",
        f"--port={free_port()}",
        f"--metrics-service-address=localhost:{questions}",
        f"--lister-kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--client-ca-file={tls / 'ca.crt'}",
        f"--tls-cert-file={tls / 'tls.crt'}",
        f"--tls-private-key-file={tls / 'tls.key'}",
        f"--cert-dir={tls}",
        **_VARIABLES,
    )


def _announced(api: int) -> tuple[Mapping[str, Any], ...]:
    """Returns what sends the API server to a port of this machine."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "metrics", "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": api}]},
    }
    group, version = _METRICS.partition(".")[2], _METRICS.partition(".")[0]
    announced = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": _METRICS},
        "spec": {
            "service": {"name": "metrics", "namespace": NAMESPACE, "port": api},
            "group": group,
            "version": version,
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    return service, announced


def _is_ready(operator: "subprocess.Popen[bytes]", health: int) -> bool:
    assert operator.poll() is None, "it ended by itself: see keda-operator.log"
    try:
        return requests.get(f"http://127.0.0.1:{health}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


def _is_available(plane: Plane) -> bool:
    conditions = plane.get("apiservice", _METRICS).get("status", {}).get("conditions", [])
    return any(one["type"] == "Available" and one["status"] == "True" for one in conditions)
