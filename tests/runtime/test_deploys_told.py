"""What a person is told of deploys: refusals that stand, canaries, shadows, and what cannot work as it was asked."""

import shutil
from pathlib import Path

import pytest
from operated import Operated

from foresight.runtime import deploys
from foresight.runtime.deploys import PARAMETERS_SHOWN_NS, CanaryDocument, DeployDocument, LastWords
from foresight.view.deploys import deploy_pieces
from foresight.view.terminal import draw


def document_of(operated: Operated) -> DeployDocument:
    return operated.bot.live.document()


def a_refused_edit(operated: Operated) -> str:
    """Deploys bad code, takes the edit back, and returns the refusal."""
    path = operated.folder / "strategy/fair.py"
    good = path.read_text()
    path.write_text("def broken(:\n")
    told = operated.ask("r1", "deploy")["text"]
    path.write_text(good)
    return told


def idea(operated: Operated) -> str:
    """A copy of the strategy in another folder, with an edit."""
    home = shutil.copytree(operated.folder / "strategy", operated.folder / "idea", dirs_exist_ok=True)
    path = home / "params.py"
    path.write_text(path.read_text().replace("0.90", "0.91"))
    return str(home)


def test_a_refusal_stands_until_something_goes_live(operated: Operated) -> None:
    told = a_refused_edit(operated)

    assert document_of(operated).setback == told
    operated.deploy_an_edit("r2")
    assert (document_of(operated).setback, document_of(operated).last_refusal) == ("", told)


def test_a_refusal_stands_no_more_once_the_edit_is_taken_back(operated: Operated) -> None:
    a_refused_edit(operated)

    operated.ask("r2", "deploy")

    assert document_of(operated).setback == ""


def test_a_rollback_stands_too(operated: Operated) -> None:
    operated.deploy_an_edit()

    told = operated.ask("r2", "rollback")["text"]

    assert document_of(operated).setback == told


def test_a_refusal_of_parameters_stands_for_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = [1]
    monkeypatch.setattr(deploys, "wall_ns", lambda: now_ns[0])
    words, code = LastWords(), LastWords()
    words.refused("parameters r2 refused: …", is_of_parameters=True)
    code.refused("v2 refused: …", is_of_parameters=False)

    now_ns[0] += PARAMETERS_SHOWN_NS - 1
    assert (words.setback, code.setback) == ("parameters r2 refused: …", "v2 refused: …")
    now_ns[0] += 1
    assert (words.setback, code.setback) == ("", "v2 refused: …")


def test_the_last_word_is_news_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = [1]
    monkeypatch.setattr(deploys, "wall_ns", lambda: now_ns[0])
    words = LastWords()
    words.done("v2 is live")

    now_ns[0] += deploys.RECENT_NS - 1
    assert words.recent == "v2 is live"
    now_ns[0] += 1
    assert (words.recent, words.last) == ("", "v2 is live")


@pytest.mark.parametrize("more", [{"canary": ["btc-5m"]}, {"shadow_s": 60}])
def test_a_canary_or_shadow_of_what_runs_is_refused_with_what_to_do(
    operated: Operated, more: dict[str, object]
) -> None:
    told = operated.ask("r1", "deploy", **more)

    assert told["state"] == "refused"
    assert told["text"].startswith("v1 is what runs already; nothing was done; every slot has it already")
    assert "edit a copy of the folder and name it" in told["text"]


def test_a_canary_is_told_and_shown_with_its_slots_until_it_is_kept(operated: Operated) -> None:
    told = operated.ask("r1", "deploy", where=idea(operated), canary=["btc-5m"])["text"]

    assert told.startswith("v2 r1 is live for btc-5m; ")
    assert told.endswith("; v1 answers the other slots, and `foresight keep` puts v2 on all")
    assert document_of(operated).canary == CanaryDocument("v2", ("btc-5m",))
    assert deploy_pieces(draw(operated.bot)._seen.status)[1].endswith(" on btc-5m")
    assert operated.ask("r2", "keep")["text"].endswith("; it answers every slot now, and is kept after its probation")
    assert document_of(operated).canary is None


def test_a_shadow_is_shown_until_it_ends_and_its_paper_result_is_told_then(operated: Operated) -> None:
    told = operated.ask("r1", "deploy", where=idea(operated), shadow_s=60)

    assert told["text"].startswith("v2 is a shadow for 1 min; ")
    assert told["text"].endswith("; it goes live by itself when its time is over")
    operated.run_for(30)
    shown = deploy_pieces(draw(operated.bot)._seen.status)[1]
    assert shown.startswith("v2 shadow until ")
    assert shown.endswith(" answers, 0 entries, P&L +0.00, live +0.00")
    operated.run_for(60)
    last = operated.answer("r1")
    assert last["state"] == "done"
    assert "; as a shadow it gave " in last["text"]
    assert last["text"].endswith(" USD on paper; the live trades of the same time and slots: 0 (0 won) for +0.00 USD")
    assert document_of(operated).shadow is None
    assert any("is live in place of v1" in each and "on paper" in each for each in operated.notices())


def test_a_shadow_that_fails_tells_what_it_made_as_well(operated: Operated) -> None:
    path = Path(idea(operated)) / "sizing.py"
    path.write_text(path.read_text() + "\n")
    evaluate = path.with_name("evaluate.py")
    evaluate.write_text(evaluate.read_text() + BAD_LATER.format(at_ns=operated.clock.now_ns() + 20 * 10**9))
    init = path.with_name("__init__.py")
    init.write_text(
        init.read_text().replace("from .evaluate import evaluate", "from .evaluate import later as evaluate")
    )
    operated.ask("r1", "deploy", where=str(path.parent), shadow_s=60)

    operated.run_for(60)

    told = operated.answer("r1")
    assert told["state"] == "refused"
    assert "v2 refused at shadow: " in told["text"]
    assert "; as a shadow it gave " in told["text"]


BAD_LATER = """

def later(view: View, state: State, params: Params) -> Evaluation:
    if view.now_ns > {at_ns}:
        raise ValueError("too late")
    return evaluate(view, state, params)
"""


def test_on_probation_a_release_is_not_said_to_stand_by_for_itself(operated: Operated) -> None:
    operated.deploy_an_edit()
    assert deploy_pieces(draw(operated.bot)._seen.status)[0].endswith(", v1 stands by")
    assert operated.ask("r2", "keep")["state"] == "done"
    operated.desire(revision=2, params={"aggression": 0.5})
    assert deploy_pieces(draw(operated.bot)._seen.status)[0].endswith(", its old parameters stand by")
