"""What KEDA scales: the chart in the cluster; its gateway, a Redis and a Prometheus as processes."""

import shutil
import subprocess
import sys
from typing import Any

import requests
import yaml

from athena.supervisor.redis_server import find_server
from tests.chart.objects import CHART
from tests.cluster.plane import Plane, wait_for
from tests.cluster.pods import Pods, command, variables
from tests.house import ROOT
from tests.ports import free_port
from tests.prometheus import install_tools

NAMESPACE = "athena"
ABILITY = "bursty"
DEPLOYMENT = f"athena-{ABILITY}-cpu"

#: Jobs that a worker has at once, as in the ability's file, and the most pods.
SLOTS, MOST = 4, 4

#: Times of a day are replayed in minutes, and so are those that a scaler waits.
POLL_S, COOLDOWN_S, STABILIZE_S = 2, 12, 12


class Site:
    """A gateway, what it needs, and pods that come and go.

    Attributes:
        url: the gateway's.
        pods: the workers.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._port, self._metrics_port, self._prometheus_port = free_port(), free_port(), free_port()
        self._redis_port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.pods = Pods(plane, NAMESPACE, DEPLOYMENT)
        self._session = requests.Session()

    def start(self) -> None:
        """Starts all but workers."""
        programs = install_tools()
        self._prometheus = programs / "prometheus"
        # Where `athena workers` looks, as in the image.
        shutil.copytree(ROOT / "tests" / "abilities" / ABILITY, self._plane.folder / "abilities" / ABILITY)
        self._run_redis()
        self._install_chart()
        self._run_gateway()
        self.start_prometheus()

    def start_prometheus(self) -> None:
        """Starts what KEDA asks, with the data that it had."""
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": "athena",
                    "static_configs": [{"targets": [f"127.0.0.1:{self._metrics_port}"]}],
                }
            ],
        }
        file = self._plane.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration))
        self._plane.run(
            "prometheus",
            self._prometheus.resolve(),
            f"--config.file={file}",
            f"--storage.tsdb.path={self._plane.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self._prometheus_port}",
        )
        wait_for("Prometheus is ready", lambda: self._is_up(self._prometheus_port, "/-/ready"))

    def end_prometheus(self) -> None:
        """Takes away what KEDA asks."""
        self._plane.end("prometheus")

    def stop(self) -> None:
        """Ends what was started, the workers first."""
        self.pods.stop()
        for name in ("prometheus", "gateway", "redis"):
            self._plane.end(name)
        self._plane.helm("uninstall", "athena", "--namespace", NAMESPACE)

    def submit(self, seconds: float) -> str:
        """Queues a job that takes so long; returns its id."""
        answer = self._session.post(
            f"{self.url}/{ABILITY}",
            json={"seconds": seconds, "text": "hello"},
            headers={"Prefer": "respond-async"},
            timeout=30,
        )
        assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
        return str(answer.json()["job"]["id"])

    def job(self, job_id: str) -> Any:
        """Returns how a job stands."""
        return self._session.get(f"{self.url}/v1/jobs/{job_id}", timeout=30).json()["job"]

    def let_queues(self, verb: str) -> None:
        """Pauses or resumes the ability's queues, as an operator."""
        subprocess.run(
            [sys.executable, "-P", "-m", "athena", "queues", verb, ABILITY],
            env={**self._plane.environment, "ATHENA_REDIS_URL": self._redis_url},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def figures(self) -> dict[str, float]:
        """Returns what the gateway tells of the ability, by the names of the metrics."""
        text = self._session.get(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=30).text
        labels = f'{{service_id="{ABILITY}",gpu_type="cpu"}} '
        lines = (line.partition(labels) for line in text.splitlines())
        return {name: float(value) for name, there, value in lines if there}

    @property
    def _redis_url(self) -> str:
        return f"redis://127.0.0.1:{self._redis_port}/0"

    def _run_redis(self) -> None:
        folder = self._plane.folder / "redis"
        folder.mkdir()
        place = ("--port", str(self._redis_port), "--bind", "127.0.0.1", "--dir", str(folder))
        self._plane.run("redis", find_server().path, *place)

    def _install_chart(self) -> None:
        plane = self._plane
        plane.kubectl("create", "namespace", NAMESPACE)
        secret = ("secret", "generic", "redis-url", f"--from-literal=url={self._redis_url}")
        plane.kubectl("-n", NAMESPACE, "create", *secret)
        file = plane.folder / "values.yaml"
        file.write_text(yaml.safe_dump(self._values()))
        plane.helm("install", "athena", CHART, "--namespace", NAMESPACE, "--values", file)

    def _values(self) -> dict[str, Any]:
        scale = {
            "enabled": True,
            "max": MOST,
            "slots": SLOTS,
            "cooldownS": COOLDOWN_S,
            "stabilizeS": STABILIZE_S,
        }
        return {
            "gateway": {"replicas": 1},
            "redis": {"enabled": False, "external": {"urlSecret": {"name": "redis-url"}}},
            "networkPolicy": {"enabled": False},
            "keda": {"prometheus": f"http://127.0.0.1:{self._prometheus_port}", "pollS": POLL_S},
            "abilities": {
                ABILITY: {"image": {"repository": f"athena-{ABILITY}"}, "pools": {"cpu": {"scale": scale}}}
            },
        }

    def _run_gateway(self) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/athena-gateway"
        container = self._plane.read(path)["spec"]["template"]["spec"]["containers"][0]
        # On ports of this machine, not of a pod's own.
        own = {
            "ATHENA_HOST": "127.0.0.1",
            "ATHENA_PORT": str(self._port),
            "ATHENA_METRICS_HOST": "127.0.0.1",
            "ATHENA_METRICS_PORT": str(self._metrics_port),
        }
        found = variables(self._plane, NAMESPACE, container) | own
        self._plane.run("gateway", *command(container), **found)
        wait_for("the gateway is ready", lambda: self._is_up(self._port, "/readyz"))

    def _is_up(self, port: int, path: str) -> bool:
        try:
            return self._session.get(f"http://127.0.0.1:{port}{path}", timeout=5).ok
        except requests.ConnectionError:
            return False
