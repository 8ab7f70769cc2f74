"""Goal: a setting is read from exactly one place by one rule, and a wrong one is refused
before anything starts, with its place named and no secret told."""

from pathlib import Path

import pytest

from segue import settings
from segue.errors import BadSetting


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_anything_set_the_defaults_hold() -> None:
    assert settings.read({}) == settings.Settings()


def test_a_flag_wins_over_the_environment_and_that_over_the_file() -> None:
    Path("segue.toml").write_text('port = 1001\nhost = "::1"\nlog_level = "info"\n')
    read = settings.read({"SEGUE_PORT": "1002", "SEGUE_HOST": "0.0.0.0"}, flags={"port": 1003})
    assert (read.port, read.host, read.log_level) == (1003, "0.0.0.0", "info")


def test_a_flag_that_was_not_given_sets_nothing() -> None:
    assert settings.read({"SEGUE_PORT": "1002"}, flags={"port": None}).port == 1002


@pytest.mark.parametrize(("text", "value"), [("on", True), ("0", False), ("No", False)])
def test_on_and_off_are_read_as_people_write_them(text: str, value: bool) -> None:
    assert settings.read({"SEGUE_SIMULATE": text}).simulate is value


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SEGUE_PORT", "eighty", "port must be number from 1 to 65535, not 'eighty'"),
        ("SEGUE_PORT", "70000", "port must be number from 1 to 65535, not '70000'"),
        ("SEGUE_SIMULATE", "maybe", "simulate must be on or off, not 'maybe'"),
        ("SEGUE_DELIVER", "yes", "deliver must be live or sandbox, not 'yes'"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    variable: str, value: str, told: str
) -> None:
    with pytest.raises(BadSetting, match=told):
        settings.read({variable: value})


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_known_one() -> None:
    Path("segue.toml").write_text("prot = 1001\n")
    with pytest.raises(BadSetting, match=r"segue\.toml: .*'prot'; did you mean 'port'\?"):
        settings.read({})


def test_an_unknown_variable_sets_nothing_and_is_told() -> None:
    environment = {"SEGUE_PROT": "1", "SEGUE_DATA": "/data", "SEGUE_SMTP_PASSWORD_FILE": "x"}
    assert settings.strangers(environment) == ["SEGUE_PROT"]


def test_a_file_that_is_not_toml_is_refused_with_its_line() -> None:
    Path("segue.toml").write_text("port = = 1\n")
    with pytest.raises(BadSetting, match=r"segue\.toml: is not TOML: .*line 1"):
        settings.read({})


def test_a_file_that_was_named_and_is_not_there_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"other\.toml: can't be read"):
        settings.read({"SEGUE_SETTINGS": "other.toml"})


def test_a_secret_may_come_from_a_file_and_the_variable_itself_wins(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    environment = {"SEGUE_SMTP_PASSWORD_FILE": str(tmp_path / "password")}
    assert settings.read(environment).smtp_password == "hunter2"
    assert settings.read(environment | {"SEGUE_SMTP_PASSWORD": "other"}).smtp_password == "other"


def test_an_error_about_a_secret_does_not_tell_it() -> None:
    Path("segue.toml").write_text("smtp_password = ['hunter2']\n")
    with pytest.raises(BadSetting) as refused:
        settings.read({})
    assert "hunter2" not in str(refused.value)


def test_only_what_opens_a_door_is_a_secret() -> None:
    secret = {row.name for row in settings.table() if row.secret}
    sources = {"shopify_secret", "stripe_secret", "hubspot_secret"}
    assert secret == {"write_keys", "admin_token", "smtp_password", "link_key"} | sources


def test_no_secret_is_shown_where_settings_are_printed() -> None:
    shown = repr(settings.Settings(stripe_secret="whsec_x", admin_token="tok_x", port=1))
    assert "whsec_x" not in shown and "tok_x" not in shown
    assert "stripe_secret=(set)" in shown and "port=1" in shown


def test_a_link_key_is_drawn_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    known = settings.Settings(store=str(tmp_path / "a" / "segue.sqlite"))
    drawn = settings.link_key(known)
    assert len(drawn) > 30
    assert settings.link_key(known) == drawn
    assert (tmp_path / "a" / "link-key").stat().st_mode & 0o077 == 0
    assert settings.link_key(settings.Settings(link_key="own")) == "own"


def test_a_channels_file_is_tables_or_it_is_refused() -> None:
    Path("channels.toml").write_text('[email]\nprovider = "smtp"\n')
    known = settings.Settings(channels="channels.toml")
    assert settings.channels_of(known) == {"email": {"provider": "smtp"}}
    assert settings.channels_of(settings.Settings()) == {}
    for text, told in (("email = 1", "must be a table"), ("[", "is not TOML")):
        Path("channels.toml").write_text(text)
        with pytest.raises(BadSetting, match=told):
            settings.channels_of(known)
    with pytest.raises(BadSetting, match="can't be read"):
        settings.channels_of(settings.Settings(channels="gone.toml"))
