"""The dashboard of a study in a browser: an arm that is described while it is unfinished."""

import re
import threading

import optuna
import pytest

from explorer import store
from explorer.dashboard import describe, note, serve
from tests.report import rows

pytest.importorskip("optuna_dashboard")


@pytest.fixture
def address(tmp_path):
    """Where the dashboard of a study with one described arm and its control answers."""
    with rows.connect(tmp_path) as database:
        rows.ablation(database, "mine")
        study = store.optuna_study(database, "mine")
        trial = study.ask({"frequency.low": optuna.distributions.FloatDistribution(0, 200)})
        trial.set_user_attr("arm", "best_practice")
        describe(database, "mine", "best_practice", trial.number)
        study.tell(trial, 0.8167)
        note(database, "mine")
        with serve(database, port=0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            host, port = server.server_address[:2]
            yield f"http://{host}:{port}/dashboard/studies/1"
            server.shutdown()
            thread.join()


def test_an_arm_and_its_study_are_shown(address, page):
    page.set_default_timeout(60_000)
    page.goto(address)
    page.get_by_text("best_practice: Learning curves").wait_for()
    page.goto(f"{address}/note")
    page.get_by_role("cell", name="scratch", exact=True).wait_for()  # a control
    page.goto(f"{address}/trials?numbers=0")
    page.get_by_role("heading", name="best_practice").wait_for()
    page.get_by_text(re.compile(r"81\.7 ± 1\.5 %")).first.wait_for()
    sheet = page.locator("img[src*='/artifacts/']").first
    sheet.wait_for()
    assert sheet.evaluate("image => image.decode().then(() => image.naturalWidth)") == 606
