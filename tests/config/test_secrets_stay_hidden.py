"""Secrets: where they are taken from, what is refused, and that no value ever shows."""

import copy
import io
import json
import os
import pickle  # noqa: TID251  proves that it refuses
import traceback
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback

from foresight.config import Config, load_config
from foresight.errors import ConfigRefused, SecretRefused
from foresight.secrets import Secret, load_secrets

HEX = "0123456789abcdef" * 4
VALUE = "swordfish-4711"


def a_config(root: Path, file: str = "", bot: str = "bot") -> Config:
    folder = root / bot
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bot.toml").write_text(f"[secrets]\nfile = {json.dumps(file)}\n")
    return load_config(folder)


def a_secrets_file(root: Path, toml: str, mode: int = 0o600) -> Path:
    path = root / "keys.toml"
    path.unlink(missing_ok=True)
    path.write_text(toml)
    path.chmod(mode)
    return path


def everything_told(error: BaseException) -> str:
    """The message, both kinds of traceback with all local variables, and all that the exception holds."""
    plain = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    out = io.StringIO()
    rich = Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, locals_max_string=10_000)
    Console(file=out, width=400).print(rich)
    return f"{error} {error!r} {error.args} {vars(error)} {error.__context__!r} {plain} {out.getvalue()}"


def refusal_of_bot_toml(folder: Path, path: Path) -> ConfigRefused:
    """The text is written elsewhere, so that this frame's own variables do not hold the value."""
    with pytest.raises(ConfigRefused) as refused:
        load_config(folder)
    assert path.exists()
    return refused.value


@pytest.mark.parametrize(
    "toml",
    [
        f'[bot]\nprivate_key = "{VALUE}"',
        f'[bot]\nAPI-KEY = "{VALUE}"',
        f'[my_passphrases]\nx = "{VALUE}"',
        f'[secrets]\nmnemonic = "{VALUE}"',
        f'secrets = "{VALUE}"',
        f'[risk]\nstake_max_usd = {{ token = "{VALUE}" }}',
        f'[[x]]\ny = [{{ db_password = "{VALUE}" }}]',
        f'[bot]\nname = "{HEX}"',
        f'[bot]\nname = "0x{HEX.upper()}"',
        f'[slots]\nassets = ["BTC", "{HEX}"]',
        f"[venue]\nseed = 0x{HEX}",
        f"[risk]\nloss_streak_max = 9{'4711' * 16}",
        f"[x]\n{HEX} = 1",
        f"{HEX} = 1",
        f'[x]\ny = "{HEX}',
        f'[bot]\nname = """\n{VALUE}\npassword = 1',
        f'private_key "{VALUE}"',
        f"[my_token]\nvalue = {VALUE}",
        f"# password of mine: {VALUE}\x01",
    ],
)
def test_what_looks_like_a_secret_in_bot_toml_is_refused_and_not_shown(tmp_path: Path, toml: str) -> None:
    (tmp_path / "bot.toml").write_text(toml)
    told = everything_of(refusal_of_bot_toml, tmp_path)
    for part in (VALUE, HEX, HEX.upper(), str(int(HEX, 16)), "4711" * 16):
        assert part not in told


def everything_of(refusal: object, folder: Path) -> str:
    assert callable(refusal)
    return everything_told(refusal(folder, folder / "bot.toml"))


def test_the_refusal_of_a_secret_says_where_secrets_belong(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text(f'[bot]\napi_key = "{VALUE}"')
    (problem,) = refusal_of_bot_toml(tmp_path, tmp_path).problems
    assert problem.place == "bot.toml:2 [bot] api_key"
    assert "FORESIGHT_SECRET_<NAME>" in problem.right
    assert "file outside the bot folder" in problem.right


WORDS = ["secret", "private_key", "api_key", "passphrase", "mnemonic", "token", "password"]
SECRET_NAMES = st.tuples(st.sampled_from(["", "my_"]), st.sampled_from(WORDS), st.sampled_from(["", "_2", "s"]))


@given(
    table=st.sampled_from(["", "[bot]\n", "[risk]\n", "[x.y]\n", "[gates.unknown_passes]\n", "[[slots]]\n"]),
    name=SECRET_NAMES.map("".join),
    form=st.sampled_from(['"{}"', "'{}'", '["{}"]', '{{a = "{}"}}', '"""{}"""', '"{}', "{}", '["{}",\n[']),
)
def test_no_value_of_a_key_with_a_secrets_name_shows(
    table: str, name: str, form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "named"
    folder.mkdir(exist_ok=True)
    (folder / "bot.toml").write_text(f"{table}{name} = {form.format(VALUE)}\n")
    assert VALUE not in str(refusal_of_bot_toml(folder, folder))


def test_a_secret_shows_as_stars_and_cannot_be_serialised() -> None:
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    assert f"{secret} {secret!r} {secret!s} {[secret]}" == "*** *** *** [***]"
    for encode in (json.dumps, msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as refused:
            encode(secret)
        assert VALUE not in str(refused.value)
    with pytest.raises(TypeError):
        vars(secret)


def test_secrets_come_from_the_environment_and_the_file_and_the_environment_wins(tmp_path: Path) -> None:
    a_secrets_file(tmp_path, 'api_key = "file"\nother = "also"')
    environ = {"FORESIGHT_SECRET_API_KEY": "environment", "PATH": "/bin", "FORESIGHT_X": "no"}
    kept = load_secrets(a_config(tmp_path, "../keys.toml"), environ)
    assert {name: secret.reveal() for name, secret in kept.items()} == {"api_key": "environment", "other": "also"}


def test_without_a_file_and_variables_there_are_no_secrets(tmp_path: Path) -> None:
    assert load_secrets(a_config(tmp_path), {}) == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = a_secrets_file(tmp_path, f'key = "{VALUE}"', mode)
    config = a_config(tmp_path, str(path))
    with pytest.raises(SecretRefused, match=f"chmod 600 {path}"):
        load_secrets(config, {})
    path.chmod(0o400)
    assert load_secrets(config, {})["key"].reveal() == VALUE


@pytest.mark.parametrize("file", ["keys.toml", "./state/../keys.toml", "../bot/keys.toml", "../link/keys.toml", "."])
def test_a_file_inside_the_bot_folder_is_refused_with_the_rest_of_the_configuration(tmp_path: Path, file: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "bot")
    with pytest.raises(ConfigRefused, match="outside the bot folder"):
        a_config(tmp_path, file)


def test_a_link_into_the_bot_folder_that_is_made_later_is_refused_when_secrets_are_loaded(tmp_path: Path) -> None:
    config = a_config(tmp_path, "../keys.toml")
    (tmp_path / "keys.toml").symlink_to(tmp_path / "bot" / "bot.toml")
    with pytest.raises(SecretRefused, match="outside the bot folder"):
        load_secrets(config, {})


def test_a_neighbour_whose_name_starts_like_the_bot_folder_is_outside(tmp_path: Path) -> None:
    (tmp_path / "bot2").mkdir()
    a_secrets_file(tmp_path / "bot2", f'key = "{VALUE}"')
    assert load_secrets(a_config(tmp_path, "../bot2/keys.toml"), {})["key"].reveal() == VALUE


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (f'key = "{VALUE}\n', "not valid TOML (at line 1, column "),
        (f"{VALUE}\n", "not valid TOML (at line 1, column "),
        (f"key = ['{VALUE}']", "key must be a text in quotes"),
        ("key = 4711", "key must be a text in quotes"),
        ("key = ' '", "key is empty"),
        (f"'{VALUE}' = 'x'", "key 1 is not a name"),
    ],
)
def test_a_wrong_file_is_refused_and_its_values_do_not_show(tmp_path: Path, toml: str, told: str) -> None:
    a_secrets_file(tmp_path, toml)
    refused = refusal_of_secrets(a_config(tmp_path, "../keys.toml"))
    assert told in str(refused)
    assert "4711" not in everything_told(refused)


def refusal_of_secrets(config: Config) -> SecretRefused:
    with pytest.raises(SecretRefused) as refused:
        load_secrets(config, {})
    return refused.value


def test_a_wrong_variable_and_a_missing_file_are_told_together_without_values(tmp_path: Path) -> None:
    config = a_config(tmp_path, "../absent.toml")
    with pytest.raises(SecretRefused) as refused:
        load_secrets(config, {"FORESIGHT_SECRET_": VALUE, "FORESIGHT_SECRET_A": " ", "FORESIGHT_SECRET_B": VALUE})
    assert "FORESIGHT_SECRET_ is not a name" in str(refused.value)
    assert "FORESIGHT_SECRET_A is empty" in str(refused.value)
    assert "absent.toml cannot be read: No such file" in str(refused.value)
    assert VALUE not in str(refused.value)


def test_a_pipe_or_a_folder_in_place_of_the_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(SecretRefused, match="is not a plain file"):
            load_secrets(a_config(tmp_path, f"../{name}"), {})
