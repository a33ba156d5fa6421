"""What hashing a password costs, and that it can be chosen no cheaper than is safe."""

from __future__ import annotations

import pytest

from keywright.errors import InvalidRequest
from keywright.identity import Passwords
from keywright.settings import load_settings


async def test_a_hash_costs_what_rfc_9106_says_unless_the_setting_says_more_or_less():
    for given, memory_kib in (({}, 65_536), ({"password_memory_mib": 19}, 19_456)):
        passwords = Passwords(load_settings(**given).password_memory_mib)
        made = await passwords.hash("correct horse battery")
        assert made.startswith(f"$argon2id$v=19$m={memory_kib},t=3,p=4$")
        assert await passwords.matches(made, "correct horse battery")
        assert not await passwords.matches(made, "correct horse batterz")
        assert not await passwords.matches(None, "correct horse battery")
        passwords.close()


async def test_a_password_set_before_the_setting_was_changed_still_opens():
    before, after = Passwords(64), Passwords(19)
    assert await after.matches(await before.hash("correct horse battery"), "correct horse battery")
    assert await before.matches(await after.hash("correct horse battery"), "correct horse battery")
    before.close()
    after.close()


def test_less_than_owasp_advises_is_refused():
    with pytest.raises(InvalidRequest) as raised:
        load_settings(password_memory_mib=18)
    assert [fault.field for fault in raised.value.faults] == ["password_memory_mib"]
