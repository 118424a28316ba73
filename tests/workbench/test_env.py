"""Settings from the environment: strict readers with sentences."""

from __future__ import annotations

import pytest

from workbench.env import (
    EnvError,
    env_bool,
    env_float,
    env_int,
    env_list,
    env_secret,
    env_text,
)


@pytest.mark.parametrize(
    ("raw", "value"),
    [("1", True), ("TRUE", True), (" on ", True), ("0", False), ("No", False), ("off", False)],
)
def test_bool_words(monkeypatch, raw, value):
    monkeypatch.setenv("SOME_FLAG", raw)
    assert env_bool("SOME_FLAG", not value) is value


def test_bool_absent_and_empty_give_the_default(monkeypatch):
    monkeypatch.delenv("SOME_FLAG", raising=False)
    assert env_bool("SOME_FLAG", True) is True
    monkeypatch.setenv("SOME_FLAG", "  ")
    assert env_bool("SOME_FLAG", True) is True


def test_bool_refuses_another_word(monkeypatch):
    monkeypatch.setenv("SOME_FLAG", "ture")
    with pytest.raises(EnvError, match="SOME_FLAG is 'ture'"):
        env_bool("SOME_FLAG")


def test_int_and_its_bounds(monkeypatch):
    monkeypatch.setenv("SOME_NUMBER", "5")
    assert env_int("SOME_NUMBER", 1, minimum=5, maximum=5) == 5
    with pytest.raises(EnvError, match="at least 6"):
        env_int("SOME_NUMBER", 1, minimum=6)
    with pytest.raises(EnvError, match="at most 4"):
        env_int("SOME_NUMBER", 1, maximum=4)


@pytest.mark.parametrize("raw", ["5.5", "five", "0x10"])
def test_int_refuses_what_is_not_whole(monkeypatch, raw):
    monkeypatch.setenv("SOME_NUMBER", raw)
    with pytest.raises(EnvError, match="whole number"):
        env_int("SOME_NUMBER", 1)


@pytest.mark.parametrize("raw", ["nan", "inf", "-inf", "fast"])
def test_float_refuses_what_is_not_finite(monkeypatch, raw):
    monkeypatch.setenv("SOME_SECONDS", raw)
    with pytest.raises(EnvError, match="number"):
        env_float("SOME_SECONDS", 1.0)


def test_float_and_its_bound(monkeypatch):
    monkeypatch.setenv("SOME_SECONDS", "0.25")
    assert env_float("SOME_SECONDS", 1.0) == 0.25
    with pytest.raises(EnvError, match="at least 1"):
        env_float("SOME_SECONDS", 1.0, minimum=1)


def test_list_drops_space_and_empty_parts(monkeypatch):
    monkeypatch.setenv("SOME_HOSTS", " a.example , ,b.example,")
    assert env_list("SOME_HOSTS") == ["a.example", "b.example"]
    monkeypatch.delenv("SOME_HOSTS")
    assert env_list("SOME_HOSTS", ("c.example",)) == ["c.example"]


def test_text_is_stripped(monkeypatch):
    monkeypatch.setenv("SOME_TEXT", " x ")
    assert env_text("SOME_TEXT") == "x"


def test_secret_from_the_variable_or_from_its_file(monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_SECRET", "s3cret")
    assert env_secret("SOME_SECRET") == "s3cret"
    monkeypatch.delenv("SOME_SECRET")
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(path))
    assert env_secret("SOME_SECRET") == "from a file"


def test_secret_absent_is_none_or_an_error(monkeypatch):
    monkeypatch.delenv("SOME_SECRET", raising=False)
    assert env_secret("SOME_SECRET") is None
    with pytest.raises(EnvError, match="SOME_SECRET_FILE"):
        env_secret("SOME_SECRET", required=True)


def test_secret_given_twice_is_an_error_that_does_not_tell_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_SECRET", "s3cret")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(EnvError, match="Both SOME_SECRET") as caught:
        env_secret("SOME_SECRET")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_secret_file_that_is_missing_empty_or_no_text(monkeypatch, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv("SOME_SECRET", raising=False)
    monkeypatch.setenv("SOME_SECRET_FILE", str(path))
    with pytest.raises(EnvError, match="SOME_SECRET_FILE names"):
        env_secret("SOME_SECRET")
