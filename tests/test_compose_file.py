"""docker-compose.yml and what it needs, read without an engine: it is a Compose file, pins its images, and holds no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
IMAGE = re.compile(r"\$\{(?P<variable>DRAGOMAN_(?:[A-Z]+_)?IMAGE):-(?P<name>[a-z/-]+):(?P<tag>[\w.-]+)\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, with what they share in place."""
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(TEXT)["services"]
    return found


def test_it_is_a_compose_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = TEXT.replace("service_healthy", "service_well", 1)
    command[-1] = "-"
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, input=broken).returncode == 1


def test_every_image_is_pinned_and_can_be_another(services: dict[str, Any]) -> None:
    for name, service in services.items():
        image = IMAGE.fullmatch(service["image"])
        assert image is not None, name
        assert image["tag"] != "latest"
        if image["tag"] == "local":
            assert "build" in service
    variables = {match["variable"] for match in IMAGE.finditer(TEXT)}
    assert variables == set(re.findall(r"^# (DRAGOMAN_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for file in ("Dockerfile", "deploy/connect/Dockerfile"):
        defaults = re.findall(r"^ARG \w+_IMAGE=(.*)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert defaults
        assert all(re.search(r":\d+\.\d+\.\d+", default) for default in defaults), file


def test_it_starts_in_the_order_of_health(services: dict[str, Any]) -> None:
    conditions = {
        (name, needed): said["condition"]
        for name, service in services.items()
        for needed, said in service.get("depends_on", {}).items()
    }
    lasting = {name for name, service in services.items() if service["restart"] != "no"}
    assert lasting == {"legacy", "kafka", "connect", "worker"}
    for (name, needed), condition in conditions.items():
        wanted = "service_healthy" if needed in lasting else "service_completed_successfully"
        assert condition == wanted, (name, needed)
    assert {needed for (name, needed) in conditions if name == "worker"} == {"connector"}
    for name in lasting - {"worker"}:
        assert "test" in services[name]["healthcheck"]
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_no_secret_is_in_it_and_none_has_a_default() -> None:
    for value in re.findall(r"PASSWORD: (.*)", TEXT):
        assert re.fullmatch(r"\$\{LEGACY_(OWNER_)?PASSWORD:\?[a-z .A-Z]+\}", value), value
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^(\w*PASSWORD)=(.*)$", example, re.MULTILINE) == [
        ("LEGACY_OWNER_PASSWORD", ""),
        ("LEGACY_PASSWORD", ""),
    ]
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_connector_is_the_one_that_the_tests_run_natively() -> None:
    dockerfile = (ROOT / "deploy" / "connect" / "Dockerfile").read_text(encoding="utf-8")
    version, digest = (re.search(rf"^ARG {name}=(.*)$", dockerfile, re.MULTILINE) for name in ("DEBEZIUM", "DIGEST"))
    assert version is not None
    assert digest is not None
    pins = (ROOT / "dragoman" / "stack" / "jars.sha256").read_text(encoding="ascii").splitlines()
    assert f"{digest[1]}  debezium-connector-postgres-{version[1]}-plugin.tar.gz" in pins


def test_the_image_is_not_root_and_installs_what_is_pinned() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = dockerfile.split("FROM ")[-1].strip()
    assert last == "runtime"
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE)[-1] == "10001:10001"
    assert "--require-hashes" in dockerfile
