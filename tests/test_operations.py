"""What is deployed: each file is of its schema, runs commands that there are, and draws what is measured."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml
from prometheus_client.core import Metric
from typer.core import TyperGroup

from entrypoints.cli.main import app
from entrypoints.web.metrics import MetricsCollector
from settings import Settings
from storage.sealer import make_key
from tasks.services import build
from tests.support.servers import missing
from tests.support.site import read_procfile

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
ALERTS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "pageturner.json").read_text())

#: A variable of a shell or of compose, with what stands for it where there is none.
_VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


class _Strict(yaml.SafeLoader):
    """Reads YAML as Kubernetes does: a name that stands there twice is a mistake."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's
        names = [self.construct_object(key) for key, _ in node.value]
        assert len(names) == len(set(names)), f"twice in one mapping: {names}"
        return super().construct_mapping(node, deep)


def resources(kind: str = "") -> list[dict[str, Any]]:
    """Return what the manifests describe, of one kind or all."""
    every = [one for file in MANIFESTS for one in yaml.load_all(file.read_text(), _Strict)]
    return [one for one in every if not kind or one["kind"] == kind]


def containers() -> list[dict[str, Any]]:
    """Return every container of the manifests."""
    pods = [one["spec"]["template"]["spec"] for one in (*resources("Deployment"), *resources("Job"))]
    return [container for pod in pods for container in pod["containers"]]


def commands() -> dict[str, list[str]]:
    """Return every command of ours that is run somewhere, without the program itself."""
    found = {
        f"Procfile {name}": shlex.split(text)[1:] for name, text in read_procfile().items() if "celery" not in text
    }
    found |= {f"compose {name}": one["command"] for name, one in OURS.items() if "entrypoint" not in one}
    found |= {f"kubernetes {one['name']}": one["args"] for one in containers() if "command" not in one}
    return {
        name: [_VARIABLE.sub(lambda match: match[2] or "", part) for part in parts] for name, parts in found.items()
    }


@pytest.mark.parametrize("arguments", commands().values(), ids=commands())
def test_every_command_is_one_of_ours(arguments):
    """What is run there is a command, and all its options are known."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands[arguments[0]].make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("part", read_procfile())
def test_what_the_procfile_runs_runs_everywhere(part):
    """Each part of the Procfile is a service of the compose file and a deployment of the manifests."""
    assert part in OURS
    assert part in {one["metadata"]["name"] for one in resources("Deployment")}


def test_the_compose_file_holds_together():
    """What services need is there, is waited for until it is well, and comes back when it falls."""
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        named = {text.split(":")[0] for text in service.get("volumes", []) if not text.startswith(".")}
        assert named <= set(COMPOSE["volumes"])
        assert service["restart"] in {"unless-stopped", "on-failure"} or "profiles" in service
        for text in service.get("volumes", []):
            assert not text.startswith(".") or (ROOT / text.split(":")[0]).exists()
    assert all(port.startswith("127.0.0.1:") for one in SERVICES.values() for port in one.get("ports", []))
    assert OURS["worker"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert {"--appendonly", "yes", "noeviction"} <= set(SERVICES["redis"]["command"])
    assert OURS["flower"]["environment"]["FLOWER_BASIC_AUTH"].startswith("pageturner:${FLOWER_PASSWORD:?")
    assert SERVICES["simulator"]["profiles"] == ["simulator"]


def test_the_settings_of_the_compose_file_are_ours():
    """It sets what there is to set."""
    known = {f"PAGETURNER_{name.upper()}" for name in Settings.model_fields} | {"FLOWER_BASIC_AUTH"}
    own = {"PAGETURNER_HOME", "PAGETURNER_EMBEDDED_SOCKET", "FLOWER_BASIC_AUTH"}  # of the image, or of others
    keys = {"PAGETURNER_SECRET_KEYS"}
    for name, one in OURS.items():
        assert set(one["environment"]) - {"FLOWER_BASIC_AUTH"} == known - own - (set() if name == "worker" else keys)
    assert all(set(secret["stringData"]) <= known for secret in resources("Secret"))


def test_only_workers_have_the_keys():
    """What faces the internet, or only looks on, cannot open a token."""
    given = {
        one["metadata"]["name"]: "pageturner-keys" in yaml.safe_dump(one["spec"]["template"])
        for kind in ("Deployment", "Job")
        for one in resources(kind)
    }
    assert [name for name, has_keys in given.items() if has_keys] == ["worker"]
    shared = next(one for one in resources("Secret") if one["metadata"]["name"] == "pageturner")
    assert "PAGETURNER_SECRET_KEYS" not in shared["stringData"]


@pytest.mark.parametrize("path", MANIFESTS, ids=[path.name for path in MANIFESTS])
def test_a_manifest_is_of_its_schema(path):
    """Kubernetes would take it."""
    for resource in yaml.safe_load_all(path.read_text()):
        if resource["kind"] != "Kustomization":
            kubernetes_validate.validate(resource, "1.37", strict=True)


def test_the_kustomization_names_what_is_there():
    """Every file is applied, but for the secret's example, which a person copies."""
    named = set(next(one for one in resources("Kustomization"))["resources"])
    files = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
    assert named - {"secret.yaml"} == files - {"secret.yaml"}


def test_no_container_may_do_more_than_it_must():
    """None runs as root, writes where it is not meant to, takes all the memory, or hears of services by variables."""
    for pod in (one["spec"]["template"]["spec"] for one in (*resources("Deployment"), *resources("Job"))):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["enableServiceLinks"] is False  # Flower takes FLOWER_PORT for a setting of its own
    for container in containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_the_image_is_built_as_it_should_be():
    """In stages, not as root, with a heartbeat, and nothing that linters of such files mind."""
    text = "\n" + (ROOT / "Dockerfile").read_text()
    assert [line.partition(" AS ")[2] for line in re.findall(r"^FROM .*", text, re.MULTILINE)] == [
        "build",
        "system",
        "",
    ]
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} >= {"apple", "tasks", "requirements.lock"}
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run([linter or missing("hadolint", "no wheel for this machine"), ROOT / "Dockerfile"])
    assert done.returncode == 0


@pytest.fixture
def measured(redis_url, tmp_path) -> set[str]:
    """The names of everything that is measured."""
    settings = Settings(
        home=tmp_path, redis_url=redis_url, secret_keys=make_key(), database_url=f"sqlite:///{tmp_path}/db"
    )
    services = build(settings)
    metrics: list[Metric] = list(MetricsCollector(lambda: services, lambda: {"seed": 0}).collect())
    services.store.database.close()
    names = set()
    for metric in metrics:
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def test_what_is_drawn_is_measured(measured):
    """Every number of the dashboard and of the alerts is one that there is."""
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    expressions += [alert["expr"] for alert in ALERTS]
    used = {name for text in expressions for name in re.findall(r"pageturner_\w+", text)}
    assert used <= measured
    bases = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in measured}
    drawn = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in used}
    assert bases - drawn == set()


def test_every_alarm_is_explained():
    """The runbook says of each alarm what it means and what to do."""
    runbook = (ROOT / "docs" / "operations.md").read_text()
    for alert in ALERTS:
        assert f"`{alert['alert']}`" in runbook
