"""The log: JSON lines in the bot's `data/log.jsonl`, rotated, and plain lines to whoever wants them."""

import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Protocol, cast

import structlog

LOG_BYTES_MAX = 10_000_000
LOG_FILES_MAX = 5


class Log(Protocol):
    """One level a method; keywords become fields."""

    def info(self, event: str, **fields: object) -> None: ...
    def warning(self, event: str, **fields: object) -> None: ...
    def error(self, event: str, **fields: object) -> None: ...


def open_log(path: Path) -> tuple[Log, Callable[[], None]]:
    """A log that writes JSON lines to `path`, at most `LOG_FILES_MAX` files of `LOG_BYTES_MAX` bytes, and what closes
    it."""
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES_MAX - 1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(f"foresight:{path}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    wrapped = structlog.wrap_logger(
        logger,
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="written_at"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )

    def close() -> None:
        logger.removeHandler(handler)
        handler.close()

    return cast("Log", wrapped), close
