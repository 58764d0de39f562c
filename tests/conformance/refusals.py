"""What every refusal must keep: the sentence, what runs, and every state, bit by bit."""

from conformance.program import Files, Program, Verdict


def states_of(program: Program) -> dict[str, bytes]:
    """Every key's state as the runtime holds it."""
    return {key: route.state for key, route in program.runtime.seam.routes.items()}


def refused(program: Program, files: Files, *says: str, step: str = "stage") -> Verdict:
    """Deploys what must be refused: the sentence holds every text in `says`, and nothing has changed."""
    running, before = program.running, states_of(program)
    verdict = program.deploy(files)
    assert_refused(program, verdict, *says, step=step, running=running)
    assert states_of(program) == before
    assert program.ask().release == running
    return verdict


def assert_refused(program: Program, verdict: Verdict, *says: str, step: str, running: str) -> None:
    """The sentence names what, at which step, why (the texts in `says`) and what still runs."""
    assert verdict.is_refused, verdict.event
    assert verdict.step == step, verdict.text
    for text in (f"refused at {step}: ", *says, f"; {running} is still running"):
        assert text in verdict.text, f"{text!r} is not said in: {verdict.text}"
    assert "_release_" not in verdict.text, verdict.text
    assert program.running == running
