"""Goal: draws are keyed, fair, independent of how their parts are cut, and never change."""

from segue.kernel.chance import PPM, draw, pick, share, spread

GOLDEN = [1_282_701_917_053_264_771, 13_259_311_263_689_858_159, 7_257_557_184_408_336_287]
KEYS = [f"profile-{n}" for n in range(4_000)]


def test_a_draw_never_changes() -> None:
    """Golden values: variants and holdouts of running installations hang on them."""
    assert draw("welcome/split", "ana") == draw("welcome/split", "ana", "")
    assert [draw("welcome/split", "ana"), draw("welcome/split", "ana", "1"), draw("", "")] == GOLDEN


def test_parts_can_not_be_confused() -> None:
    draws = {draw("ab", "c", "d"), draw("a", "bc", "d"), draw("a", "b", "cd"), draw("abc", "d")}
    assert len(draws) == 4


def test_text_that_is_no_valid_unicode_draws_too() -> None:
    assert draw("\ud800", "ana") != draw("\ud801", "ana")


def test_a_share_is_met_and_grows_without_moving_anyone() -> None:
    tenth = {key for key in KEYS if share("holdout", key, "", PPM // 10)}
    fifth = {key for key in KEYS if share("holdout", key, "", PPM // 5)}
    assert 320 < len(tenth) < 480
    assert tenth < fifth
    assert all(share("holdout", key, "", PPM) for key in KEYS)
    assert not any(share("holdout", key, "", 0) for key in KEYS)


def test_picks_follow_the_weights() -> None:
    picks = [pick("split", key, "", (1, 0, 3)) for key in KEYS]
    assert 880 < picks.count(0) < 1_120
    assert picks.count(1) == 0
    assert picks.count(2) == 4_000 - picks.count(0)


def test_without_weights_the_first_is_picked() -> None:
    assert pick("split", "ana", "", (0, 0)) == 0


def test_a_spread_lies_in_its_span() -> None:
    delays = [spread("pace", key, "", 60_000) for key in KEYS]
    assert 0 <= min(delays) < 600
    assert 59_400 < max(delays) < 60_000
    assert spread("pace", "ana", "", 0) == spread("pace", "ana", "", -5) == 0
