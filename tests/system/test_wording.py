from vsreid_lite.system.wording import counted


def test_one_is_singular_and_any_other_number_plural():
    assert [counted(n, "round") for n in (0, 1, 2)] == ["0 rounds", "1 round", "2 rounds"]
