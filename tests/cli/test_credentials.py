"""The oracle's credentials as they stand in the secrets file now."""

import json
from pathlib import Path

import pytest

from foresight.cli.sockets import StandingCredentials
from foresight.config import load_config
from foresight.feeds.polybolt import Credentials
from foresight.secrets import ORACLE_SECRETS, load_secrets


def write(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


def three(value: str) -> str:
    return "".join(f"{name} = {json.dumps(f'{name}-{value}')}\n" for name in ORACLE_SECRETS)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.toml"
    write(file, three("old"))
    return file


@pytest.fixture(name="standing")
def _standing(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> StandingCredentials:
    for name in ORACLE_SECRETS:
        monkeypatch.delenv(f"FORESIGHT_SECRET_{name.upper()}", raising=False)
    bot = tmp_path / "bot"
    bot.mkdir()
    (bot / "bot.toml").write_text(f'[venue]\nsource = "polymarket"\n\n[secrets]\nfile = {json.dumps(str(file))}\n')
    config = load_config(bot)
    secrets = load_secrets(config, {})
    return StandingCredentials(config, Credentials(*(secrets[name] for name in ORACLE_SECRETS)))


def test_a_changed_file_is_presented_next(standing: StandingCredentials, file: Path) -> None:
    assert standing().revealed() == tuple(f"{name}-old" for name in ORACLE_SECRETS)
    write(file, three("new"))
    assert standing().revealed() == tuple(f"{name}-new" for name in ORACLE_SECRETS)


@pytest.mark.parametrize(
    "broken",
    [
        lambda file: file.unlink(),
        lambda file: write(file, 'polymarket_key = "half'),
        lambda file: write(file, 'polymarket_key = "alone"'),
        lambda file: write(file, three("open"), 0o644),
        lambda file: write(file, "x" * 100_000),
    ],
    ids=["gone", "torn", "incomplete", "open to others", "too long"],
)
def test_while_the_file_cannot_be_read_the_last_ones_count(broken, standing: StandingCredentials, file: Path) -> None:
    broken(file)
    assert standing().revealed() == tuple(f"{name}-old" for name in ORACLE_SECRETS)
    write(file, three("new"))
    assert standing().revealed() == tuple(f"{name}-new" for name in ORACLE_SECRETS)


def test_the_environment_wins_over_a_changed_file(
    standing: StandingCredentials, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESIGHT_SECRET_POLYMARKET_KEY", "of the environment")
    write(file, three("new"))
    key, *others = standing().revealed()
    assert (key, others) == ("of the environment", [f"{name}-new" for name in ORACLE_SECRETS[1:]])
