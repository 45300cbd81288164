"""Pods as processes of this machine: kwok says that they run, and runs nothing."""

import base64
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.cluster.plane import Plane

#: Where the chart's commands and variables come from.
Container = Mapping[str, Any]


def command(container: Container) -> list[str]:
    """Returns what a container runs, with the Athena of this folder."""
    program, *rest = container["command"]
    assert program == "athena", container["command"]
    return [sys.executable, "-P", "-m", "athena", *rest]


def variables(plane: Plane, namespace: str, container: Container) -> dict[str, str]:
    """Returns a container's variables, those out of Secrets too."""
    found = {}
    for item in container["env"]:
        if "value" in item:
            found[item["name"]] = item["value"]
            continue
        wanted = item["valueFrom"]["secretKeyRef"]
        secret = plane.read(f"/api/v1/namespaces/{namespace}/secrets/{wanted['name']}")
        found[item["name"]] = base64.b64decode(secret["data"][wanted["key"]]).decode()
    return found


class Pods:
    """Those of one Deployment: each that is there has a process, which ends when it goes.

    Attributes:
        replicas: how many the Deployment is to have.
        running: how many processes there are.
    """

    def __init__(self, plane: Plane, namespace: str, deployment: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._deployment = deployment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ending: dict[str, subprocess.Popen[bytes]] = {}
        self.replicas = 0

    @property
    def running(self) -> int:
        return len(self._processes)

    def follow(self) -> None:
        """Starts and ends processes, so that they are as the pods are."""
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{self._deployment}"
        deployment = self._plane.read(path)
        self.replicas = deployment["spec"]["replicas"]
        labels = deployment["spec"]["selector"]["matchLabels"]
        wanted = {pod["metadata"]["name"]: pod for pod in self._pods(labels) if _is_there(pod)}
        for name in wanted.keys() - self._processes.keys():
            self._processes[name] = self._start(name, wanted[name]["spec"]["containers"][0])
        for name in self._processes.keys() - wanted.keys():
            self._ending[name] = self._processes.pop(name)
            # As a kubelet does: what it works on may end.
            self._ending[name].terminate()
        self._forget()

    def stop(self) -> None:
        """Kills all of them."""
        for name in [*self._processes, *self._ending]:
            self._plane.end(name)
        self._processes, self._ending = {}, {}

    def _pods(self, labels: Mapping[str, str]) -> list[Any]:
        selector = ",".join(f"{name}%3D{value}" for name, value in labels.items())
        path = f"/api/v1/namespaces/{self._namespace}/pods?labelSelector={selector}"
        found: list[Any] = self._plane.read(path)["items"]
        return found

    def _start(self, name: str, container: Container) -> "subprocess.Popen[bytes]":
        # A pod has a /tmp of its own.
        own = {"ATHENA_PULSE_FILE": str(self._plane.folder / f"{name}.pulse")}
        found = variables(self._plane, self._namespace, container) | own
        return self._plane.run(name, *command(container), **found)

    def _forget(self) -> None:
        for name, process in list(self._processes.items()):
            assert process.poll() is None, f"{name} ended by itself, see {self._plane.folder / name}.log"
        for name, process in list(self._ending.items()):
            if process.poll() is not None:
                self._plane.end(name)
                del self._ending[name]


def _is_there(pod: Any) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
