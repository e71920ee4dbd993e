"""What is handed to a cluster, without one: the files, the storage, the job's name."""

import sys
from dataclasses import dataclass

import pytest

from explorer import files
from explorer import study as studies
from explorer.errors import InputError
from explorer.runner import submit
from explorer.runner.submit import _free_name, _staged
from tests.conftest import STUDY

HTTP = "http://127.0.0.1:1"
STORAGE = "postgresql://user@127.0.0.1/database"


def staged(name, *protocols):
    planned = studies.load_studies(name, protocols=protocols)
    with _staged(name, planned, protocols) as folder:
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_only_the_files_of_the_study_travel(write_study, folder):
    write_study(STUDY.replace("  waves: {", "  noise: {search_space: perlin}\n  waves: {"))
    write_study(name="another")
    (folder / "secret.txt").write_text("hush")
    assert staged("mine", "laptop") == [
        "protocols/laptop.yaml",
        "search_spaces/visual_atom.yaml",
        "studies/mine.yaml",
    ]


def test_files_named_by_a_path_keep_their_place(folder):
    space = files.find("search_spaces", "visual_atom", source="test")
    (folder / "deep").mkdir()
    (folder / "space.yaml").write_text(space.read_text())
    (folder / "deep" / "one.yaml").write_text(STUDY.replace("visual_atom", "../space.yaml"))
    assert staged("deep/one.yaml") == ["deep/one.yaml", "protocols/smoke.yaml", "space.yaml"]
    assert staged("./deep/../deep/one.yaml") == staged("deep/one.yaml")


def test_files_outside_do_not_travel(write_study, folder, monkeypatch):
    write_study()
    for name in (str(folder / "studies" / "mine.yaml"), "../studies/mine.yaml"):
        (folder / "below").mkdir(exist_ok=True)
        monkeypatch.chdir(folder / "below")
        with pytest.raises(InputError, match="only files below the working directory travel"):
            staged(name)


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("address", "storage", "line"),
    [
        ("127.0.0.1:8265", STORAGE, "write http://HOST:8265"),
        ("ray://127.0.0.1:10001", STORAGE, "write http://HOST:8265"),
        (HTTP, "sqlite:////shared/study.db", "is a file of one machine"),
        (HTTP, "postgresql://user:hush@127.0.0.1/db", "leave the password out"),
        (HTTP, "postgresql://user@127.0.0.1/db?password=hush", "leave the password out"),
        (HTTP, "no url", "is no database URL"),
        ("http://cluster:8265", "postgresql://user@localhost/db", "names the machine that asks"),
        (HTTP, STORAGE, "no job could be handed in: Failed to connect"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_travels(address, storage, line):
    with pytest.raises(InputError, match=line) as refused:
        submit("mine", address=address, url=storage)
    assert "hush" not in str(refused.value)


def test_images_that_the_nodes_would_not_find_are_refused(write_study):
    dataset = "{images: photos, categories: 2, instances: 9}"
    write_study(f"{STUDY}  photos: {{protocol: {{dataset: {dataset}}}}}\n")
    with pytest.raises(InputError, match="'photos': images do not travel"):
        submit("mine", address=HTTP, url=STORAGE)


@dataclass
class Status:
    ended: bool

    def is_terminal(self):
        return self.ended


@dataclass
class Ended:
    submission_id: str | None
    ended: bool = True

    @property
    def status(self):
        return Status(self.ended)


def test_names_of_jobs_are_not_used_twice():
    assert _free_name("explorer-mine", [Ended(None)], HTTP) == "explorer-mine"
    jobs = [Ended("explorer-mine"), Ended("explorer-mine.2")]
    assert _free_name("explorer-mine", jobs, HTTP) == "explorer-mine.3"
    with pytest.raises(InputError, match=r"explorer-mine\.2 is at work on it"):
        _free_name("explorer-mine", [jobs[0], Ended("explorer-mine.2", ended=False)], HTTP)


@pytest.mark.usefixtures("study")
def test_without_rays_job_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(InputError, match=r"fdsl-explorer\[cluster\]"):
        submit("mine", address=HTTP, url=STORAGE)
