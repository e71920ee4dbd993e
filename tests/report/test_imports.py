"""Looking at a study must not cost what running one costs."""

import subprocess
import sys

PROGRAM = """
import sys, optuna, explorer.report as r
study = optuna.create_study(study_name="s", direction="maximize")
study.set_user_attr("definition", {"arms": {"a": None, "b": {}}, "baseline": "a"})
for arm in "ab":
    for i in range(2):
        attrs = {"arm": arm, "replicate": i}
        study.add_trial(optuna.create_trial(value=i / 9, user_attrs=attrs))
[r.render(r.summarise(study), name) for name in r.FORMATS]
r.status(study), r.Live.resume(study, workers=1)
print(*sorted({"torch", "ray", "timm", "matplotlib", "plotly", "sklearn"} & set(sys.modules)))
"""


def test_neither_ray_nor_torch_is_imported():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
