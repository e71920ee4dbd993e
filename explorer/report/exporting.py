"""The frames of a study as files for other programs, and back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from explorer.errors import InputError
from explorer.report.data import to_rows
from explorer.report.epochs import DTYPES as OF_EPOCHS
from explorer.report.files import replacing
from explorer.report.frame import of_columns, typed
from explorer.report.rungs import DTYPES as OF_RUNGS
from explorer.report.slots import records
from explorer.report.summary import StudyReport

_TIME = "%Y-%m-%dT%H:%M:%S.%f"


def export(frame: pd.DataFrame, path: Path, option: str = "--output") -> None:
    """Write a frame to a file, in the form that the ending of its name says.

    - ``.csv``: a line of names, then a line a row; what is missing is empty, times are ISO 8601;
    - ``.json``: a list of objects, one a row; what is missing, or no finite number, is null;
    - ``.parquet``: as Apache Arrow writes it, with the types of the columns.

    Numbers are written so that the same come back. Of a csv or json of trials, epochs or rungs,
    :func:`read` restores the types as well.

    Args:
        frame: What :func:`~explorer.report.load`, :func:`~explorer.report.load_epochs` or
            :func:`~explorer.report.load_rungs` returns.
        path: The file; one that is there is replaced in one step.
        option: What named the file, for the error line.

    Raises:
        InputError: If the ending is another, or the path cannot be written to.
    """
    write = writer(path, option)
    with replacing(path, option) as temporary:
        write(frame, temporary)


def writer(path: Path, option: str) -> Callable[[pd.DataFrame, Path], None]:
    """Return what writes a frame in the form that the ending of a name says.

    Raises:
        InputError: If there is no such form.
    """
    if path.suffix not in _WRITE:
        remedy = f"ends in none of {', '.join(_WRITE)}, which say how it is written"
        raise InputError(option, None, str(path), remedy)
    return _WRITE[path.suffix]


def read(path: Path | str) -> pd.DataFrame:
    """Read what :func:`export` has written of trials, epochs or rungs: the same frame and types.

    A json has lost which missing numbers were infinite.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        if "state" in frame:  # an empty one has lost its categories
            frame["state"] = typed("state", frame["state"].tolist())
        return frame
    if path.suffix == ".json":
        rows = json.loads(path.read_text(encoding="utf-8"))
        columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    else:
        # Only what is empty is missing: an arm may be called NA.
        said = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
        columns = {str(name): said[name].tolist() for name in said.columns}
        columns = {
            name: [None if pd.isna(value) else value for value in values]
            for name, values in columns.items()
        }
    kinds = next((of for of in (OF_EPOCHS, OF_RUNGS) if set(of) == set(columns)), None)
    if kinds is not None:
        return of_columns(columns, kinds)
    return pd.DataFrame({name: typed(name, values) for name, values in columns.items()})


def to_frame(report: StudyReport) -> pd.DataFrame:
    """Return the table of a report as a frame, with the columns of its csv."""
    return pd.DataFrame(to_rows(report))


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, lineterminator="\n", date_format=_TIME)


def _write_json(frame: pd.DataFrame, path: Path) -> None:
    rows = [{name: _plain(value) for name, value in row.items()} for row in records(frame)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n" if rows else "[]\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.strftime(_TIME)
    return None if value in (float("inf"), float("-inf")) else value


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, engine="pyarrow")


_WRITE: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".parquet": _write_parquet,
}
