"""Ray's head, two workers, the dashboard and PostgreSQL, by the commands of the Compose file."""

import json
import shutil
import sys
import time
import urllib.request

import pytest

from explorer import store
from tests.cluster import compose, services
from tests.conftest import a_postgres_database
from tests.store.play import rows

pytestmark = [pytest.mark.cluster, pytest.mark.postgres]

STUDY = """\
description: Circles against waves.
search_space: mine
protocol: smoke
replicates: 2
arms:
  circles: {frequency: [0, 0]}
  waves: {frequency: [0, 20]}
"""

# Which of the nodes have had a trial's process, and what each of them has.
NODES = """\
import json, sys
from ray.util.state import list_actors, list_nodes
(address,) = sys.argv[1:]
used = {a.node_id for a in list_actors(address) if a.class_name.endswith("Trainable")}
print(json.dumps([[n.node_id in used, n.resources_total] for n in list_nodes(address)]))
"""


@pytest.fixture(scope="module")
def database():
    """A database for all tests of the module."""
    with a_postgres_database() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(database, tmp_path_factory):
    with services.running(tmp_path_factory.mktemp("services"), database) as running:
        yield running


@pytest.fixture
def here(tmp_path):
    for folder, text in (("studies", STUDY), ("search_spaces", None)):
        (tmp_path / folder).mkdir()
        if text:
            (tmp_path / folder / "mine.yaml").write_text(text)
    space = compose.ROOT / "search_spaces" / "visual_atom.yaml"
    shutil.copy(space, tmp_path / "search_spaces" / "mine.yaml")
    return tmp_path


def jobs(cluster) -> list[dict]:
    """Return what the job server says of its jobs, as it is said to anyone with the token."""
    token = services.SECRETS["RAY_AUTH_TOKEN"]
    address = f"http://127.0.0.1:{cluster.jobs}/api/jobs/"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - of http
        return [job for job in json.load(answer) if job["submission_id"]]


def test_a_study_is_handed_in_and_runs_on_both_workers(cluster, here, database):
    submit = cluster.command("explorer")
    handed_in = cluster.run(*submit, folder=here)
    assert handed_in.stdout == "explorer-mine\n"
    looks = [line.split()[0] for line in handed_in.stderr.splitlines()]
    assert looks == ["status", "follow", "stop"]
    again = cluster.run(*submit, folder=here, code=2)
    assert "job explorer-mine is at work on it" in again.stderr
    assert "Traceback" not in again.stderr

    end = time.monotonic() + 400
    while True:
        (job,) = jobs(cluster)
        if job["status"] not in {"PENDING", "RUNNING"}:
            break
        assert time.monotonic() < end, cluster.logs()
        time.sleep(1)
    assert (job["submission_id"], job["status"]) == ("explorer-mine", "SUCCEEDED"), job
    command = "explorer run-study mine --address auto --storage postgresql://"
    assert job["entrypoint"].startswith(command)

    with store.connect(database) as connected:
        replicates = rows(connected)
    assert [row["state"] for row in replicates] == ["COMPLETE"] * 6
    address = f"http://127.0.0.1:{cluster.jobs}"
    listed = cluster.run(sys.executable, "-c", NODES, address, folder=here)
    nodes = json.loads(listed.stdout)
    assert len(nodes) == 3
    # The head has no processors, and so no trials; the two workers had some each.
    assert all(used == ("CPU" in resources) for used, resources in nodes), nodes

    shown = urllib.request.urlopen(f"http://127.0.0.1:{cluster.dashboard}/api/studies")
    assert shown.status == 200
    assert "mine" in shown.read().decode()


def test_a_driver_with_other_code_is_refused(cluster, here):
    shutil.copytree(compose.ROOT / "explorer", here / "other" / "explorer")
    for folder in ("search_spaces", "studies", "protocols"):
        shutil.copytree(compose.ROOT / folder, here / "other" / folder)
    changed = here / "other" / "explorer" / "identity.py"
    changed.write_text(changed.read_text().replace("\nTRIAL = ", "\nTRIAL = 1000 + "))
    program = f"import sys; sys.path.insert(0, {str(here / 'other')!r})\n"
    program += "from explorer.cli import main; main()"
    address = f"127.0.0.1:{cluster.ray}"
    command = ["run-study", "mine", "--protocol", "smoke", "--address", address]
    storage = ["--storage", f"sqlite:///{here}/study.db"]
    ran = cluster.run(sys.executable, "-c", program, *command, *storage, folder=here, code=2)
    assert "has another trial" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    with store.connect(f"sqlite:///{here}/study.db") as connected:
        assert {row["state"] for row in rows(connected)} == {"WAITING"}


QUARTERS = """\
import sys, time
from pathlib import Path
from explorer import runner, store, study
from explorer.scores import Scores

def evaluate(ranges, protocol, *, seed, formula):
    import ray
    Path(str(seed)).touch()
    for _ in range(3000):
        if len(list(Path().glob("[0-9]"))) == 4:
            break
        time.sleep(0.1)
    else:
        raise TimeoutError("alone")
    yield from ()
    return Scores(0.5, {"digits": 0.5}, host=ray.get_runtime_context().get_node_id())

address, url = sys.argv[1:]
with store.connect(url, create=True) as database:
    runner.run_study(study.load_study("quarters"), database, address=address, evaluate=evaluate)
"""


def test_four_trials_share_a_gpu(cluster, here):
    """Four trials wait for one another: they end only if all run at once."""
    (here / "protocols").mkdir()
    smoke = (compose.ROOT / "protocols" / "smoke.yaml").read_text()
    quarter = smoke + "resources: {cpus: 0.25, gpus: 0.25}\n"
    (here / "protocols" / "quarter.yaml").write_text(quarter)
    text = STUDY.replace("smoke", "quarter").replace("replicates: 2", "replicates: 4")
    text = text[: text.index("arms:")] + "sampler: {name: random, samples: 1}\nvary: [noise]\n"
    (here / "studies" / "quarters.yaml").write_text(text)
    url = f"sqlite:///{here}/quarters.db"
    cluster.run(sys.executable, "-c", QUARTERS, f"127.0.0.1:{cluster.ray}", url, folder=here)
    with store.connect(url) as connected:
        replicates = rows(connected, "quarters")
    assert [row["reason"] for row in replicates] == [None] * 8
    assert len({row["host"] for row in replicates}) == 1


def test_a_password_is_not_handed_to_ray(cluster, here):
    url = "postgresql://someone:hush@127.0.0.1/database"
    address = f"http://127.0.0.1:{cluster.jobs}"
    command = ["explorer", "submit", "mine", "--address", address, "--storage", url]
    before = jobs(cluster)
    ran = cluster.run(*command, folder=here, code=2)
    assert "leave the password out" in ran.stderr
    assert "hush" not in ran.stdout + ran.stderr
    assert jobs(cluster) == before


def test_a_wrong_token_is_one_line(cluster, here):
    (here / "token").write_text("wrong")
    program = "import os; os.environ['RAY_AUTH_TOKEN_PATH'] = 'token'\n"
    program += "from explorer.cli import main; main()"
    command = ["submit", "mine", "--storage", cluster.storage]
    ran = cluster.run(sys.executable, "-c", program, *command, folder=here, code=2)
    assert "no job could be handed in" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
