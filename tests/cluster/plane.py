"""The programs of a cluster: they listen on the loopback alone, and end with this process."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from tests.chart.objects import install_tools
from tests.cluster.certificates import make_certificates
from tests.house import ROOT
from tests.ports import free_port

FETCH = ROOT / "deploy" / "tools" / "fetch.sh"
TOOLS = ROOT / ".tools" / "bin"

#: How `fetch.sh` ends where the programs cannot be had.
CANNOT_BE_HAD = 3

NODES: dict[str, dict[str, str]] = {
    "cpu-1": {},
    "cpu-2": {},
    "cpu-3": {},
    "gpu-1": {"athena/gpu-type": "T4G16"},
    "gpu-2": {"athena/gpu-type": "A100G80"},
}

#: What a cluster has that the chart does not bring: a volume, and the runtime of GPUs.
_SURROUNDINGS = (
    {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "disk"},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/nonexistent"},
        },
    },
    {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "nvidia"},
        "handler": "nvidia",
    },
)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Skipped(Exception):
    """The programs cannot be had here."""


def fetch_programs(*more: str) -> Path:
    """Returns the folder with the programs; builds them where they are missing.

    Args:
        more: `keda` for KEDA's too.

    Raises:
        Skipped: they cannot be had; the script has said why.
    """
    install_tools()
    done = subprocess.run([FETCH, *more], stdout=subprocess.PIPE, text=True)
    if done.returncode == CANNOT_BE_HAD:
        raise Skipped
    done.check_returncode()
    return Path(done.stdout.strip())


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 120.0, pause_s: float = 0.2) -> Any:
    """Returns the condition's first true value."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(pause_s)
    return value


class Plane:
    """A cluster without machines.

    Attributes:
        certificates: folder with `ca.crt`, `tls.crt` and `tls.key`, which all of them use.
        environment: what programs need to reach it.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.certificates = folder / "certificates"
        self.server = f"https://127.0.0.1:{(port := free_port())}"
        self.environment = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
        self._port = port
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._session: requests.Session | None = None
        self.started_in_s = 0.0

    def start(self) -> None:
        """Starts all, and waits until nodes are ready."""
        make_certificates(self.certificates)
        self._write_kubeconfig()
        began_s = time.monotonic()
        etcd = f"http://127.0.0.1:{free_port()}"
        self._run_etcd(etcd)
        self._run_api_server(etcd)
        wait_for("the API server is ready", lambda: self.try_kubectl("get", "--raw=/readyz") is not None)
        self.started_in_s = time.monotonic() - began_s
        self._run_controllers()
        self._run_nodes()

    def run(self, name: str, *command: str | Path, **environment: str) -> "subprocess.Popen[bytes]":
        """Starts a program, whose output goes to a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        self._processes[name] = process
        return process

    def end(self, name: str) -> None:
        """Kills a program."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Kills all, those started last first."""
        for name in reversed(list(self._processes)):
            self.end(name)

    def memory_mb(self) -> dict[str, float]:
        """Returns what each program takes."""
        found = {}
        for name, process in self._processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                found[name] = psutil.Process(process.pid).memory_info().rss / 1e6
        return found

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Returns what kubectl prints.

        Raises:
            AssertionError: it fails.
        """
        done = self._ask("kubectl", arguments, stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def try_kubectl(self, *arguments: str) -> str | None:
        """Returns what kubectl prints; None if it fails."""
        done = self._ask("kubectl", arguments)
        return done.stdout if done.returncode == 0 else None

    def helm(self, *arguments: str | Path) -> str:
        """Returns what Helm prints.

        Raises:
            AssertionError: it fails.
        """
        done = self._ask("helm", [str(part) for part in arguments])
        assert done.returncode == 0, f"helm {arguments}: {done.stderr}"
        return done.stdout

    def get(self, *what: str) -> Any:
        """Returns an object, or a list of them."""
        return json.loads(self.kubectl("get", *what, "-o", "json"))

    def read(self, path: str) -> Any:
        """Returns what the API server answers, with no program in between: for who asks often."""
        if self._session is None:
            self._session = requests.Session()
            # A variable of the machine that names authorities would come before this one.
            self._session.trust_env = False
            self._session.verify = str(self.certificates / "ca.crt")
            self._session.cert = (str(self.certificates / "tls.crt"), str(self.certificates / "tls.key"))
        answer = self._session.get(self.server + path, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def apply(self, *items: Any) -> None:
        """Makes objects."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(items))

    def _ask(
        self, program: str, arguments: Sequence[str], stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [TOOLS / program, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def _write_kubeconfig(self) -> None:
        tls = self.certificates
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.server, "certificate-authority": str(tls / "ca.crt")},
                }
            ],
            "users": [
                {
                    "name": "admin",
                    "user": {
                        "client-certificate": str(tls / "tls.crt"),
                        "client-key": str(tls / "tls.key"),
                    },
                }
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(document))

    def _run_etcd(self, url: str) -> None:
        peer = f"http://127.0.0.1:{free_port()}"
        self.run(
            "etcd",
            self.programs / "bin" / "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def _run_api_server(self, etcd: str) -> None:
        tls = self.certificates
        self.run(
            "kube-apiserver",
            self.programs / "bin" / "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={tls / 'tls.crt'}",
            f"--tls-private-key-file={tls / 'tls.key'}",
            f"--client-ca-file={tls / 'ca.crt'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={tls / 'sa.pub'}",
            f"--service-account-signing-key-file={tls / 'sa.key'}",
            # Debian's etcd (3.4) cannot say where a streamed list ends: whoever asks for one is refused, and
            # kwok then looks at its pods each half minute only.
            "--feature-gates=WatchList=false",
            # What the aggregator needs to ask KEDA for metrics.
            f"--requestheader-client-ca-file={tls / 'ca.crt'}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={tls / 'front-proxy.crt'}",
            f"--proxy-client-key-file={tls / 'front-proxy.key'}",
        )

    def _run_controllers(self) -> None:
        kubeconfig = f"--kubeconfig={self.folder / 'kubeconfig'}"
        self.run(
            "kube-controller-manager",
            self.programs / "bin" / "kube-controller-manager",
            kubeconfig,
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
            f"--service-account-private-key-file={self.certificates / 'sa.key'}",
            f"--root-ca-file={self.certificates / 'ca.crt'}",
            "--horizontal-pod-autoscaler-sync-period=3s",
            "--pvclaimbinder-sync-period=2s",
        )
        self.run(
            "kube-scheduler",
            self.programs / "bin" / "kube-scheduler",
            kubeconfig,
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
        )

    def _run_nodes(self) -> None:
        stages = self.folder / "stages.yaml"
        stages.write_text(
            "\n---\n".join(path.read_text() for path in sorted((self.programs / "stages").iterdir()))
        )
        self.run(
            "kwok",
            self.programs / "bin" / "kwok",
            f"--kubeconfig={self.folder / 'kubeconfig'}",
            "--manage-all-nodes",
            f"--config={stages}",
        )
        self.apply(*(_node(name, labels) for name, labels in NODES.items()), *_SURROUNDINGS)
        wait_for(
            "all nodes are ready",
            lambda: self.kubectl("get", "nodes", "--no-headers").count(" Ready ") == len(NODES),
        )


def _node(name: str, labels: dict[str, str]) -> dict[str, Any]:
    room: dict[str, Any] = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    if labels:
        room["nvidia.com/gpu"] = "4"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"capacity": room, "allocatable": room},
    }


@contextlib.contextmanager
def cluster(folder: Path, programs: Path) -> Iterator[Plane]:
    """Runs a cluster; its data is gone afterwards."""
    plane = Plane(folder, programs)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(folder / "etcd", ignore_errors=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
