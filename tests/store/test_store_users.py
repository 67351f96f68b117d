"""Users, the audit log, and the code that claims a new box."""

import pytest

from appliance.store import InvalidRow, NotFound


def test_a_user(store, clock):
    user = store.users.create("Anna", "hash", "agent", "1001", "en")
    assert store.users.get(user["id"]) == user
    assert store.users.by_username(" ANNA ") == user
    assert (user["agent_number"], user["language"], user["disabled"]) == ("1001", "en", False)
    changed = store.users.update(user["id"], {"language": "zh", "last_login_at": clock.now})
    assert (changed["language"], changed["last_login_at"], changed["role"]) == ("zh", clock.now, "agent")
    store.users.delete(user["id"])
    assert store.users.count() == 0 and store.users.get(user["id"]) is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("anna", "h", "admin"), "already a user 'anna'"),
        (("a b", "h", "admin"), "username must be"),
        (("", "h", "admin"), "username must"),
        (("x", "", "admin"), "password_hash must not be empty"),
        (("x", "h", "king"), "must be one of admin, supervisor, agent"),
        (("x", "h", "agent", "one"), "agent_number must be a work number"),
        (("x", "h", "agent", "", "klingon!"), "must be a language code"),
    ],
)
def test_a_bad_user_is_refused(store, given, problem):
    store.users.create("Anna", "hash", "admin")
    with pytest.raises(InvalidRow, match=problem):
        store.users.create(*given)
    assert store.users.count() == 1


def test_renaming_to_a_taken_name(store):
    store.users.create("anna", "h", "admin")
    ben = store.users.create("ben", "h", "agent")
    with pytest.raises(InvalidRow, match="already a user"):
        store.users.update(ben["id"], {"username": "ANNA"})
    store.users.update(ben["id"], {"username": "Ben"})


def test_the_last_administrator_stays(store):
    anna = store.users.create("anna", "h", "admin")
    for change in ({"role": "agent"}, {"disabled": True}):
        with pytest.raises(InvalidRow, match="last administrator"):
            store.users.update(anna["id"], change)
    with pytest.raises(InvalidRow, match="last administrator"):
        store.users.delete(anna["id"])
    ben = store.users.create("ben", "h", "admin")
    store.users.update(anna["id"], {"role": "agent"})
    with pytest.raises(InvalidRow, match="last administrator"):
        store.users.delete(ben["id"])
    with pytest.raises(NotFound):
        store.users.delete(999)


def test_audit_is_newest_first_and_filtered(store, clock):
    store.audit.add("anna", "sign_in")
    clock.now += 1
    store.audit.add("ben", "export", "customers.csv")
    rows = store.audit.list()
    assert [(row["who"], row["what"], row["detail"]) for row in rows] == [
        ("ben", "export", "customers.csv"),
        ("anna", "sign_in", ""),
    ]
    assert rows[0]["at"] == clock.now
    assert len(store.audit.list(who="anna")) == len(store.audit.list(what="export")) == 1
    assert store.audit.list(limit=1, offset=1)[0]["who"] == "anna"


def test_audit_is_searched_in_every_column(store, clock):
    store.audit.add("anna", "sign-in", "[10.0.0.9]")
    store.audit.add("Ben", "export", "customers.csv")
    store.audit.add("cleo", "sign-in", "100%")
    found = store.audit.search
    assert [r["who"] for r in found("10.0.0")[0]] == ["anna"]
    assert [r["who"] for r in found("ben")[0]] == ["Ben"]
    assert [r["who"] for r in found("EXPORT")[0]] == ["Ben"]
    assert [r["who"] for r in found("%")[0]] == ["cleo"], "no wildcards"
    assert [r["who"] for r in found("xyz", also=["sign-in"], oldest_first=True)[0]] == ["anna", "cleo"]
    assert found(limit=1)[1] == 3
    clock.now += 60
    assert [r["what"] for r in store.audit.since("ANNA", ["sign-in", "x"], 61)] == ["sign-in"]
    assert store.audit.since("anna", ["sign-in"], 59) == []


def test_the_code_is_the_same_until_it_is_used_and_works_once(store):
    code = store.claim.code()
    assert len(code) == 8 and code.isdecimal()
    assert store.claim.code() == code
    assert store.claim.use(f" {code[:4]} {code[4:]} ") is True
    assert store.claim.use(code) is False


def test_once_there_is_an_administrator_there_is_no_code(store):
    code = store.claim.code()
    store.users.create("anna", "h", "admin")
    assert store.claim.code() is None
    assert store.claim.use(code) is False


def test_a_claim_that_broke_off_can_be_made_again_with_a_new_code(store):
    code = store.claim.code()
    assert store.claim.use(code)
    again = store.claim.code()
    assert again is not None and again != code
    assert store.claim.use(again)


def test_guessing_is_locked_out_and_changes_the_code(store, clock):
    code = store.claim.code()
    wrong = "0" * 8 if code != "0" * 8 else "1" * 8
    for guess in (wrong, "", "x", "१२३४५६७८", wrong):
        assert store.claim.locked_s() == 0
        assert store.claim.use(guess) is False
    assert store.claim.locked_s() == 600
    new = store.claim.code()
    assert new != code
    assert store.claim.use(new) is False
    clock.now += 601
    assert store.claim.use(code) is False
    assert store.claim.use(new) is True


def test_a_clock_that_was_ahead_locks_claiming_no_longer_than_a_lock_lasts(store, clock):
    now = clock.now
    clock.now += 4 * 365 * 86400
    for _ in range(5):
        assert store.claim.use("no code") is False
    assert store.claim.locked_s() == 600
    clock.now = now
    assert store.claim.locked_s() == 0
    assert store.claim.use(store.claim.code()) is True
