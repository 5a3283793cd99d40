"""What a person calls a breaker's state."""

from orchestrator.breaker.state import State


def word(state: State) -> str:
    """What was set by hand, or where the circuit is: closed, open, half-open, ramping."""
    if state.mode != "auto":
        return state.mode
    if state.circuit == "closed":
        return "ramping" if state.ramp_left_seconds > 0 else "closed"
    return state.circuit.replace("_", "-")
