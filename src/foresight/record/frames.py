"""One run's record as a lazy frame. Each segment is checked when it is collected; a damaged one is named, left out."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from foresight.errors import RecordRefused
from foresight.record.reading import RunRecord
from foresight.record.rows import SCHEMA


def lazy_frame(folder: Path) -> pl.LazyFrame:
    """All inputs in the engine's order. One segment at a time is in memory beside what is asked for. One that is
    damaged, torn or missing is a warning when the frame is collected; one that was deleted on purpose is none."""

    def parts(
        columns: list[str] | None, predicate: pl.Expr | None, rows_max: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows_max
        for content in _segments(folder):
            whole = _scanned(content)
            if left is not None:
                rows = min(left, whole.select(pl.len()).collect().item())
                whole, left = whole.head(rows), left - rows
            kept = whole if predicate is None else whole.filter(predicate)
            yield (kept if columns is None else kept.select(columns)).collect()
            if left == 0:
                return

    return register_io_source(parts, schema=SCHEMA)


def _segments(folder: Path) -> Iterator[bytes]:
    """Every segment that is whole."""
    record = RunRecord(folder)
    for name in record.names():
        try:
            content = record.content(name)
            if name not in record.segments:
                _scanned(content).collect()  # no digest tells whether it is whole
        except (RecordRefused, pl.exceptions.PolarsError) as refused:
            if name not in RunRecord(folder).removed:
                warnings.warn(_left_out(folder / name, refused), stacklevel=2)
            continue
        yield content


def _scanned(content: bytes) -> pl.LazyFrame:
    """Columns of a field that was not there yet are null; those that this version does not know are left out."""
    return pl.scan_parquet(BytesIO(content), schema=SCHEMA, missing_columns="insert", extra_columns="ignore")


def _left_out(path: Path, why: Exception) -> str:
    told = str(why) if isinstance(why, RecordRefused) else f"segment {path} cannot be read: {why}"
    return f"{told}; its inputs are left out"
