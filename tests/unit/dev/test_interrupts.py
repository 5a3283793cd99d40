import signal

import pytest

from orchestrator.dev.processes.interrupts import Interrupted, Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_unwinds_what_is_being_done(number: signal.Signals) -> None:
    with Interrupts(), pytest.raises(Interrupted, match=number.name):
        signal.raise_signal(number)


def test_a_signal_during_the_end_only_hurries_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 100.5])
    monkeypatch.setattr("orchestrator.dev.processes.interrupts.time.monotonic", lambda: next(now))
    with Interrupts() as interrupts:
        interrupts.begin_end()
        signal.raise_signal(signal.SIGINT)
        assert interrupts.insisted


def test_one_ctrl_c_that_comes_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.dev.processes.interrupts.time.monotonic", lambda: 100.0)
    with Interrupts() as interrupts:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert not interrupts.insisted


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        pass
    assert signal.getsignal(signal.SIGTERM) is before
