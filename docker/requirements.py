"""Print what pyproject.toml asks for, with the extras that are named, one a line."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = [project["optional-dependencies"][name] for name in sys.argv[1:]]
lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
sys.stdout.write("\n".join(lines) + "\n")
