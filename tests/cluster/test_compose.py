"""The Compose files and the Dockerfile, as far as they can be checked without an engine.

``compose_spec/schema.json`` is schema/compose-spec.json of the repository compose-spec/compose-spec
at commit 170098ba, under the licence beside it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from tests.cluster import compose

SECRETS = {"POSTGRES_PASSWORD": "a-password", "RAY_AUTH_TOKEN": "a-token"}
DOCKERFILE = (compose.ROOT / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def composed():
    return compose.read("docker-compose.yml", SECRETS)


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_a_file_is_as_the_specification_wants_it(name):
    schema = json.loads((Path(__file__).parent / "compose_spec" / "schema.json").read_text())
    wrong = [
        error.message for error in Draft7Validator(schema).iter_errors(compose.read(name, SECRETS))
    ]
    assert wrong == []


def test_the_schema_finds_what_is_wrong(composed):
    schema = json.loads((Path(__file__).parent / "compose_spec" / "schema.json").read_text())
    broken = {**composed, "services": {"worker": {"imagge": "x"}}}
    assert not Draft7Validator(schema).is_valid(broken)


@pytest.mark.parametrize("missing", SECRETS)
@pytest.mark.parametrize("value", [None, ""])
def test_nothing_starts_without_a_secret(missing, value):
    environment = {**SECRETS, missing: value} if value is not None else {**SECRETS}
    if value is None:
        del environment[missing]
    with pytest.raises(compose.MissingVariableError, match=f"set {missing}"):
        compose.read("docker-compose.yml", environment)


def test_no_secret_stands_in_a_service(composed):
    said = json.dumps(composed["services"])
    assert not any(secret in said for secret in SECRETS.values())
    assert {name: secret["environment"] for name, secret in composed["secrets"].items()} == {
        "postgres_password": "POSTGRES_PASSWORD",
        "ray_token": "RAY_AUTH_TOKEN",
    }
    # Who does not need the password does not get it.
    assert composed["services"]["worker"]["secrets"] == ["ray_token"]


def test_ports_are_published_on_loopback_only(composed):
    published = [port for one in composed["services"].values() for port in one.get("ports", [])]
    assert len(published) == 2
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_services_start_in_order(composed):
    services = composed["services"]
    for one in services.values():
        for needed, how in one.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[needed]
    assert set(services["worker"]["depends_on"]) == {"ray-head"}
    assert set(services["ray-head"]["depends_on"]) == {"postgres"}
    assert set(services["explorer"]["depends_on"]) == {"postgres", "ray-head", "worker"}


def test_the_database_outlives_its_container(composed):
    (mounted,) = composed["services"]["postgres"]["volumes"]
    assert mounted.split(":")[0] in composed["volumes"]


def test_the_gpu_file_adds_to_a_service_that_is_there(composed):
    more = compose.read("docker-compose.gpu.yml", {})
    assert set(more["services"]) <= set(composed["services"])


def test_images_are_pinned_by_version(composed):
    images = {one["image"] for one in composed["services"].values()} - {"fdsl-explorer"}
    images |= set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert len(images) == 2
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*", image)


def test_the_image_runs_as_nobody_in_particular():
    final = DOCKERFILE.split("\nFROM ")[-1]
    users = re.findall(r"^USER (\S+)", final, re.MULTILINE)
    assert users == ["explorer"]
    assert "useradd --uid 1000" in final
    assert "constraints.txt" in DOCKERFILE


def test_everything_that_is_copied_is_in_the_build_context():
    kept = [
        line[1:]
        for line in (compose.ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    ]
    for sources in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (compose.ROOT / source).exists()
            assert source.split("/")[0] in kept


def test_the_image_gets_what_pyproject_asks_for():
    program = [sys.executable, "docker/requirements.py", "cluster", "dashboard", "postgres"]
    ran = subprocess.run(program, cwd=compose.ROOT, capture_output=True, text=True, check=True)
    names = {re.split(r"[>=\[]", line)[0] for line in ran.stdout.split()}
    assert {"torch", "ray", "optuna", "psycopg", "optuna-dashboard"} <= names
    assert "pytest" not in names


def test_the_entry_point_hands_the_password_on(tmp_path):
    script = (compose.ROOT / "docker" / "entrypoint.sh").read_text()
    (tmp_path / "secret").write_text("pass word\n")
    changed = tmp_path / "entrypoint.sh"
    for secret, expected in ((tmp_path / "secret", "pass word"), (tmp_path / "none", "unset")):
        changed.write_text(script.replace("/run/secrets/postgres_password", str(secret)))
        command = ["sh", str(changed), "sh", "-c", 'echo "${PGPASSWORD-unset}"']
        ran = subprocess.run(
            command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == expected
