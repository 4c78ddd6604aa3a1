"""Which process of a search this is, as KerasTuner's variables say."""

import pytest

from lesionkit.searching.launching import search_roles
from lesionkit.searching.roles import in_many_processes, is_chief, is_worker


def told():
    return in_many_processes(), is_chief(), is_worker()


@pytest.mark.parametrize("name", ["", "tuner0", "chief"])
def test_a_process_without_an_address_searches_by_itself(monkeypatch, name):
    monkeypatch.delenv("KERASTUNER_ORACLE_IP", raising=False)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
    assert told() == (False, False, False)


def test_those_that_are_started_know_what_they_are(monkeypatch):
    found = {}
    for name, environment in search_roles(2).items():
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        found[name] = told()
    assert found == {"chief": (True, True, False)} | dict.fromkeys(("tuner0", "tuner1"), (True, False, True))
