"""The files in deploy/ fit the program and each other, as far as can be told without running them."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from keywright.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
PORTS = {"control": 8080, "gateway": 8081}
# What a node may take to end once it has drained.
FINISH_SECONDS = 30

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
MANIFEST: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes/keywright.yaml").read_text()))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in MANIFEST if each["kind"] == kind}


@pytest.fixture(scope="module")
def help_of_serve() -> str:
    command = [sys.executable, "-m", "keywright", "serve", "--help"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"}
    ).stdout


def serve_lines() -> list[str]:
    """Each `serve ...` that some file runs."""
    found = [match for unit in UNITS for match in re.findall(r"^ExecStart=\S+ (.*)$", unit.read_text(), re.MULTILINE)]
    found += [
        " ".join(each["spec"]["template"]["spec"]["containers"][0]["args"]) for each in of_kind("Deployment").values()
    ]
    found += re.findall(r"keywright (serve .*)", "".join(file.read_text() for file in DEPLOY.rglob("*.md")))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_variable_is_a_setting(file: Path):
    for name in re.findall(r"\bKEYWRIGHT_([A-Z_]*[A-Z])", file.read_text()):
        assert name.lower() in Settings.model_fields, f"{file} names KEYWRIGHT_{name}"


def test_each_flag_is_one_of_serve(help_of_serve: str):
    assert len(serve_lines()) >= 5
    for line in serve_lines():
        command, *arguments = line.split()
        assert command == "serve"
        for flag in re.findall(r"--[a-z-]+", " ".join(arguments)):
            assert re.search(rf"(?m)^\s+{flag}\b", help_of_serve), f"serve {line}: {flag}"


def test_the_values_in_compose_are_taken():
    for name in ("control", "gateway-1", "gateway-2"):
        environment = COMPOSE["services"][name]["environment"]
        given = {key.removeprefix("KEYWRIGHT_").lower(): value for key, value in environment.items()}
        filled = {
            key: re.sub(r"\$\{\w+:[?-]([^}]*)\}", "https://api.example.com" if key == "api_origin" else "s3cret", value)
            for key, value in given.items()
        }
        settings = Settings(**filled)
        assert settings.role == name.partition("-")[0]


def test_the_values_in_kubernetes_are_taken():
    given = {**of_kind("ConfigMap")["keywright"]["data"], **of_kind("Secret")["keywright"]["stringData"]}
    assert Settings(**{key.removeprefix("KEYWRIGHT_").lower(): value for key, value in given.items()})


def test_compose_keeps_the_data_plane_inside():
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert services["nginx"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "8081" not in (DEPLOY / "compose/nginx.conf").read_text()
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name, service in services.items():
        assert service["networks"] == (["inside", "outside"] if name == "nginx" else ["inside"])


def test_valkey_never_evicts():
    command = COMPOSE["services"]["valkey"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_nodes_have_time_to_end():
    assert int(COMPOSE["x-environment"]["KEYWRIGHT_DRAIN_SECONDS"]) + FINISH_SECONDS < 60
    assert COMPOSE["x-node"]["stop_grace_period"] == "60s"
    drain = int(of_kind("ConfigMap")["keywright"]["data"]["KEYWRIGHT_DRAIN_SECONDS"])
    for deployment in of_kind("Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > drain + FINISH_SECONDS
        probe = pod["containers"][0]["readinessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] < drain
    example = (DEPLOY / "systemd/keywright.env.example").read_text()
    drain = int(re.findall(r"DRAIN_SECONDS=(\d+)", example)[0])
    for unit in UNITS:
        assert int(re.findall(r"TimeoutStopSec=(\d+)", unit.read_text())[0]) > drain + FINISH_SECONDS


def test_kubernetes_pods_fit_the_image_and_the_services():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = int(re.findall(r"--uid (\d+)", dockerfile)[0])
    folders = set(re.findall(r"^VOLUME \[(.*)\]", dockerfile, re.MULTILINE)[0].replace('"', "").split(", "))
    for name, deployment in of_kind("Deployment").items():
        template = deployment["spec"]["template"]
        labels, pod = template["metadata"]["labels"], template["spec"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == user
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["ports"] == [{"name": name, "containerPort": PORTS[name]}]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted == folders | {"/tmp"}
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": name}
        service = of_kind("Service")[name]["spec"]
        assert service["selector"].items() <= labels.items()
        assert service["ports"] == [{"name": "http", "port": PORTS[name], "targetPort": name}]
        budget = of_kind("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == labels
        assert deployment["spec"]["replicas"] > budget.get("minAvailable", 0)


def test_kubernetes_lets_nothing_in_that_is_not_named():
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for name in PORTS:
        (rule,) = policies[name]["spec"]["ingress"]
        assert rule["ports"] == [{"port": name}]
        assert all(set(source) == {"namespaceSelector"} for source in rule["from"])


def test_the_dockerfile_copies_what_is_there_and_what_its_ignore_file_lets_pass():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert sorted(sources) == sorted(
        re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    )
    for source in sources:
        assert (ROOT / source).exists()
    assert "hatchling==" in (ROOT / "requirements/server.lock").read_text()
    # Whatever is not said otherwise listens to the outside of the container, as a container must.
    assert "KEYWRIGHT_HOST=0.0.0.0" in dockerfile
    assert "KEYWRIGHT_GATEWAY_HOST=0.0.0.0" in dockerfile
    assert dockerfile.index("USER 10001:10001") < dockerfile.index("ENTRYPOINT")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_are_hardened_and_read_by_systemd(unit: Path, tmp_path: Path):
    text = unit.read_text()
    for line in (
        *("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "User=keywright"),
        *("StateDirectory=keywright", "KillMode=mixed", "CapabilityBoundingSet=", "UMask=0077"),
    ):
        assert f"\n{line}\n" in text
    assert "Environment=KEYWRIGHT_DATA_DIR=/var/lib/keywright\n" in text
    # It would hide the boot ID, by which the memory of nonces tells a restart of the machine.
    assert "ProcSubset" not in text
    # Where there is no systemd, nobody runs its units either.
    if program := shutil.which("systemd-analyze"):
        here = tmp_path / unit.name
        here.write_text(text.replace("/opt/keywright/bin/keywright", str(ROOT / ".venv/bin/keywright")))
        command = [program, "verify", "--man=no", str(here)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in done.stderr.splitlines() if unit.name in line]
        assert (done.returncode, complaints) == (0, []), done.stderr


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Something that answers; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"the database did not answer")

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def check_health(**environment: str) -> tuple[int, str]:
    command = [sys.executable, str(DEPLOY / "healthcheck.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_the_health_check_asks_the_listeners_of_the_role():
    with answering(200) as ready, answering(503) as unready:
        both = {"KEYWRIGHT_PORT": str(ready), "KEYWRIGHT_GATEWAY_PORT": str(unready)}
        assert check_health(KEYWRIGHT_ROLE="control", **both) == (0, "")
        assert check_health(KEYWRIGHT_ROLE="gateway", **both) == (1, f"port {unready}: the database did not answer\n")
        assert check_health(**both)[0] == 1
        assert check_health(KEYWRIGHT_PORT=str(ready), KEYWRIGHT_GATEWAY_PORT=str(ready)) == (0, "")
    assert check_health(**both)[0] == 1  # nobody answers any more
