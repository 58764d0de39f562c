"""What screens say of deploys, in a few words: what runs, what is on trial, and what was refused."""

from foresight.runtime.documents import StatusDocument, iso

SLOTS_NAMED_MAX = 4


def deploy_pieces(status: StatusDocument) -> list[str]:
    """What runs and what stands by, and then a canary and a shadow where there is one."""
    return [_running(status), *_canary(status), *_shadow(status)]


def _running(status: StatusDocument) -> str:
    deploy = status.deploy
    if deploy.standby is not None and deploy.canary is None:
        before = "its old parameters stand" if deploy.standby == deploy.live else f"{deploy.standby} stands"
        return f"{deploy.live} on probation {_rounds(status)}, {before} by"
    waiting = f", {deploy.waiting} commits wait" if deploy.waiting else ""
    return f"{deploy.live} is live, following {deploy.follow}{waiting}"


def _rounds(status: StatusDocument) -> str:
    deploy = status.deploy
    return f"{min(deploy.rounds, deploy.probation_rounds)}/{deploy.probation_rounds}"


def _canary(status: StatusDocument) -> list[str]:
    canary = status.deploy.canary
    if canary is None:
        return []
    count = len(canary.slots)
    where = ", ".join(canary.slots) if count <= SLOTS_NAMED_MAX else f"{count} of {len(status.slots)} slots"
    rounds = "" if status.deploy.standby is None else f" {_rounds(status)}"
    return [f"{canary.release} canary{rounds} on {where}"]


def _shadow(status: StatusDocument) -> list[str]:
    shadow, made = status.deploy.shadow, status.shadow
    if shadow is None:
        return []
    begun = f"{shadow.release} shadow until {iso(shadow.until_ns)[11:19]}"
    if made is None or made.release != shadow.release:
        return [begun]
    return [f"{begun}, {made.answers} answers, {made.entries} entries, P&L {made.pnl:+.2f}, live {made.live_pnl:+.2f}"]
