"""The files in docs/fleet are what their readers are: nats-server, systemd, compose, Kubernetes, and our command line."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from crackerjack.cli.parser import parse
from crackerjack.events.broker_address import broker_in_environment
from tests.fleet.test_roles import DOCUMENT, ROLES

FILES: Final = DOCUMENT.parent / "fleet"
UNITS: Final = sorted(FILES.glob("*.service"))


class Strict(yaml.SafeLoader):
    """Refuses a key that is given twice, which YAML takes in silence."""


def _mapping(loader: Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(set(keys)) == len(keys), f"{node.start_mark}: a key is given twice in {keys}"
    return dict(loader.construct_pairs(node, deep=True))


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.load_all((FILES / name).read_text(), Strict))


def assert_runs(command: list[str], environment: Mapping[str, str]) -> None:
    """A command of ours with a role's broker in its environment."""
    arguments = parse(command)
    assert arguments.command in {"worker", "serve", "queue"}
    variables = {name: value for name, value in environment.items() if "FILE" not in name}
    address = broker_in_environment(variables)
    assert address is not None
    role = {"serve": "server", "queue": "administrator"}.get(arguments.command, arguments.command)
    assert address.user == role
    assert role in ROLES
    assert any("PASSWORD" in name for name in environment)
    assert (arguments.command == "serve") == ("CRACKERJACK_TOKEN" in environment)
    known = re.compile(
        r"CRACKERJACK_(BROKER(_(USER|PASSWORD|PASSWORD_FILE|REPLICAS))?|TOKEN|STATE_DIR)"
    )
    assert all(known.fullmatch(name) for name in environment), environment


def test_the_permissions_are_those_of_the_document() -> None:
    assert (FILES / "permissions.conf").read_text() in DOCUMENT.read_text()


def nats_configs() -> Iterator[tuple[str, str]]:
    yield "machine", (FILES / "nats-server.conf").read_text()
    (found,) = (one for one in documents("kubernetes.yaml") if one["kind"] == "ConfigMap")
    yield "cluster", found["data"]["nats-server.conf"]


@pytest.mark.parametrize("config", [pytest.param(text, id=name) for name, text in nats_configs()])
def test_the_broker_takes_its_configuration(config: str, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "permissions"):
        place.mkdir(exist_ok=True)
        shutil.copy(FILES / "permissions.conf", place)
    file = tmp_path / "nats-server.conf"
    file.write_text(config)
    checked = subprocess.run(
        [Path(sys.executable).with_name("nats-server"), "-t", "-c", file],
        env={f"CRACKERJACK_{role.upper()}": f"x{role}" for role in ROLES}
        | {"POD_NAME": "broker-0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "sync_interval: always" in config


def test_compose() -> None:
    (compose,) = documents("compose.yaml")
    assert set(compose) == {"name", "services", "volumes"}
    services = compose["services"]
    for name, service in services.items():
        unknown = set(service) - {
            *(
                "image",
                "build",
                "command",
                "environment",
                "volumes",
                "ports",
                "depends_on",
                "restart",
            ),
            *("healthcheck", "init", "cap_drop", "security_opt", "stop_grace_period"),
        }
        assert not unknown, name
        for needed in service.get("depends_on", ()):
            assert needed in services
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (FILES / source).is_file() if source[0] == "." else source in compose["volumes"]
        if service["image"] == "crackerjack":
            assert_runs(service["command"], service["environment"])
        else:
            assert re.fullmatch(r"[a-z]+:\d+\.\d+-alpine", service["image"])
    secrets = {f"CRACKERJACK_{role.upper()}" for role in ROLES}
    assert set(services["broker"]["environment"]) == secrets
    build = services["streams"]["build"]
    assert (FILES / build["context"] / build["dockerfile"]).resolve() == FILES / "Dockerfile"


def test_kubernetes() -> None:
    found = {(one["kind"], one["metadata"]["name"]): one for one in documents("kubernetes.yaml")}
    versions = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}
    for (kind, name), one in found.items():
        assert one["apiVersion"] == versions.get(kind, "policy/v1" if "Budget" in kind else "v1")
        assert one["metadata"]["namespace"] == "crackerjack"
        if kind in versions:
            assert_pod(one["spec"]["template"], one["spec"], has_probes=kind != "Job")
        if kind in {"Service", "PodDisruptionBudget"}:
            pods = next(other for (k, n), other in found.items() if n == name and k in versions)
            selector = one["spec"]["selector"]
            labels = pods["spec"]["template"]["metadata"]["labels"]
            assert selector.get("matchLabels", selector) == labels
    assert found["StatefulSet", "broker"]["spec"]["replicas"] == 3
    (job,) = found["Job", "streams"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "CRACKERJACK_BROKER_REPLICAS", "value": "3"} in job["env"]


def assert_pod(template: Mapping[str, Any], spec: Mapping[str, Any], *, has_probes: bool) -> None:
    if "selector" in spec:
        assert spec["selector"]["matchLabels"] == template["metadata"]["labels"]
    pod = template["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container.get("volumeMounts", ())} == volumes
    ports = {port["name"] for port in container.get("ports", ())}
    probes = [value for name, value in container.items() if name.endswith("Probe")]
    assert all(probe["httpGet"]["port"] in ports for probe in probes)
    assert bool(probes) == bool(ports)
    if has_probes:
        assert "limits" in container["resources"]
    if container["image"].startswith("crackerjack"):
        environment = {entry["name"]: entry.get("value", "x") for entry in container["env"]}
        assert_runs(container["args"], environment)
        for entry in container["env"]:
            assert ("value" in entry) != ("PASSWORD" in entry["name"] or "TOKEN" in entry["name"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *command = shlex.split(started)
    if program.endswith("crackerjack"):
        lines = re.findall(r"^(?:Environment=|# )(CRACKERJACK_\w+)=(\S+)", text, re.MULTILINE)
        environment = {name: value.rstrip(":") for name, value in lines}
        assert_runs(command, environment)
        assert "LoadCredential=password:" in text
        assert environment["CRACKERJACK_BROKER_PASSWORD_FILE"] == "%d/password"
    else:
        config = (FILES / "nats-server.conf").read_text()
        assert 'store_dir: "/var/lib/nats"' in config
        assert "StateDirectory=nats\n" in text
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze here")
    # The programs are not installed where this runs.
    copy = tmp_path / unit.name
    copy.write_text(text.replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
