from __future__ import annotations

import pickle

import pytest

from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.keys import (
    Secret,
    check_host,
    is_loopback,
    list_key_names,
    parse_base_url,
    resolve_key,
)

KEY = "sk-test-0123456789abcdef"
ENVIRON = {
    "WORKBENCH_ENGINE_KEY_ACME": KEY,
    "WORKBENCH_ENGINE_HOSTS_ACME": "api.acme.test, gpu-node:8000 ,http://plain.acme.test:8080",
}


def refuse_key(name: str, url: str, environ: dict[str, str] | None = None) -> EnginePermanent:
    with pytest.raises(EnginePermanent) as caught:
        resolve_key(name, url, ENVIRON if environ is None else environ)
    assert KEY not in str(caught.value)
    return caught.value


def refuse_host(url: str, environ: dict[str, str]) -> EnginePermanent:
    with pytest.raises(EnginePermanent) as caught:
        check_host(url, environ)
    return caught.value


# Keys


def test_it_works() -> None:
    secret = resolve_key("ACME", "https://api.acme.test/v1", ENVIRON)
    assert secret is not None
    assert secret.reveal() == KEY


def test_no_name_means_no_key() -> None:
    assert resolve_key("", "https://anywhere.test", ENVIRON) is None


def test_the_whole_name_of_the_variable_is_understood() -> None:
    url = "https://api.acme.test/v1"
    assert resolve_key("WORKBENCH_ENGINE_KEY_ACME", url, ENVIRON) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/v1",
        "https://api.acme.test.evil.test/v1",
        "https://sub.api.acme.test/v1",
        "https://evil.test/api.acme.test",
        "https://api.acme.test:8443/v1",
        "https://gpu-node/v1",
        "https://gpu-node:8001/v1",
    ],
)
def test_a_key_stays_with_its_hosts(url: str) -> None:
    error = refuse_key("ACME", url)
    assert error.code == "key_not_bound"
    assert "WORKBENCH_ENGINE_HOSTS_ACME" in error.message


def test_the_message_names_the_entry_to_add() -> None:
    assert "'other.test:9000'" in refuse_key("ACME", "https://other.test:9000/v1").message


@pytest.mark.parametrize(
    "url", ["https://gpu-node:8000/v1", "https://API.Acme.Test./v1", "https://api.acme.test:443"]
)
def test_the_same_host_written_otherwise_is_the_same_host(url: str) -> None:
    assert resolve_key("ACME", url, ENVIRON) is not None


def test_a_key_does_not_travel_in_the_clear() -> None:
    assert refuse_key("ACME", "http://gpu-node:8000").code == "insecure_url"


def test_unless_the_operator_wrote_http() -> None:
    assert resolve_key("ACME", "http://plain.acme.test:8080", ENVIRON) is not None


def test_an_entry_with_http_is_not_for_https() -> None:
    assert refuse_key("ACME", "https://plain.acme.test:8080").code == "key_not_bound"


def test_a_key_for_this_machine_may_go_unencrypted_to_its_port_only() -> None:
    environ = {
        "WORKBENCH_ENGINE_KEY_OWN": KEY,
        "WORKBENCH_ENGINE_HOSTS_OWN": "127.0.0.1:8000,[::1]:8000",
    }
    assert resolve_key("OWN", "http://127.0.0.1:8000", environ) is not None
    assert resolve_key("OWN", "http://[::1]:8000", environ) is not None
    assert refuse_key("OWN", "http://127.0.0.1:8001", environ).code == "key_not_bound"


def test_a_key_without_hosts_goes_nowhere() -> None:
    environ = {"WORKBENCH_ENGINE_KEY_ACME": KEY}
    assert refuse_key("ACME", "https://api.acme.test", environ).code == "key_not_bound"


def test_a_missing_key_is_named() -> None:
    error = refuse_key("OTHER", "https://api.acme.test")
    assert error.code == "key_missing"
    assert "WORKBENCH_ENGINE_KEY_OTHER" in error.message


def test_a_name_that_is_no_name_reads_no_other_variable() -> None:
    environ = {"WORKBENCH_ENGINE_KEY_": KEY, "PATH": KEY}
    for name in ("WORKBENCH_ENGINE_KEY_", "acme", "A B", "../PATH", "A" * 80):
        assert refuse_key(name, "https://api.acme.test", environ).code == "key_missing"


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "schlüssel", "tab\tbed"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(value: str) -> None:
    environ = ENVIRON | {"WORKBENCH_ENGINE_KEY_ACME": value}
    error = refuse_key("ACME", "https://api.acme.test", environ)
    assert error.code == "key_missing"
    assert value not in error.message


@pytest.mark.parametrize(
    "entry", ["*", "*.acme.test", "ftp://acme.test", "acme.test/path", "u:p@acme.test", "a b"]
)
def test_a_list_of_hosts_that_cannot_be_read_is_refused(entry: str) -> None:
    environ = ENVIRON | {"WORKBENCH_ENGINE_HOSTS_ACME": entry}
    error = refuse_key("ACME", "https://acme.test", environ)
    assert error.code == "bad_host_list"
    assert "WORKBENCH_ENGINE_HOSTS_ACME" in error.message


def test_names_of_keys_are_listed_without_their_values() -> None:
    environ = {"WORKBENCH_ENGINE_KEY_B": "1", "WORKBENCH_ENGINE_KEY_A": "2", "HOME": "/"}
    assert list_key_names(environ) == ("A", "B")


# Secrets


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret!r} {secret} {[secret]!r}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_is_masked_whole_and_in_part() -> None:
    secret = Secret(KEY)
    assert secret.redact(f"Bearer {KEY} is wrong") == "Bearer [key] is wrong"
    assert secret.redact("Key sk-t**********cdef is wrong") == "Key [key] is wrong"
    assert secret.redact("Key ***********cdef is wrong") == "Key [key] is wrong"
    assert secret.redact("Nothing of it here.") == "Nothing of it here."


# Hosts


@pytest.mark.parametrize(
    "url", ["http://localhost:9/v1", "http://127.0.0.1", "https://127.8.8.8", "http://[::1]:8000"]
)
def test_this_machine_may_be_called(url: str) -> None:
    check_host(url, {})


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://2130706433",
        "http://0x7f.1",
        "http://[::ffff:10.0.0.1]",
        "http://localhost.evil.test",
        "https://evil.test",
    ],
)
def test_no_other_machine_may_unless_it_is_listed(url: str) -> None:
    error = refuse_host(url, {})
    assert error.code == "host_not_allowed"
    assert "WORKBENCH_ENGINE_ALLOWED_HOSTS" in error.message


def test_hosts_of_keys_may_be_called() -> None:
    check_host("https://api.acme.test/v1", ENVIRON)


def test_a_list_of_allowed_hosts_takes_the_place_of_this_machine() -> None:
    environ = {"WORKBENCH_ENGINE_ALLOWED_HOSTS": "gpu-node:8000"}
    check_host("http://gpu-node:8000", environ)
    check_host("https://gpu-node:8000", environ)
    assert refuse_host("http://127.0.0.1:8000", environ).code == "host_not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "127.0.0.1:8000",
        "http://",
        "",
        "http://127.0.0.1:99999999",
        "http://127.0.0.1/v1?x=1",
        "http://127.0.0.1/#v1",
        "http://a b/",
        "http://" + "x" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    error = refuse_host(url, {})
    assert error.code == "bad_url"
    assert len(error.message) < 300


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@127.0.0.1",
        "http://127.0.0.1@evil.test",
        "http://a\\@evil.test",
        "ftp://user:hunter2@127.0.0.1",
        "http://user:hunter2@127.0.0.1:x",
    ],
)
def test_user_names_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    error = refuse_host(url, {})
    assert error.code == "bad_url"
    assert "hunter2" not in error.message


def test_loopback_is_read_from_the_address_alone() -> None:
    assert is_loopback(parse_base_url("http://LOCALHOST."))
    assert not is_loopback(parse_base_url("http://localhost.test"))
