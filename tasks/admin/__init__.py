"""What an administrator does by task: replay dead letters, steer circuit breakers, sweep queues."""

from tasks.admin.breakers import control_breaker
from tasks.admin.replay import replay_dead_letters
from tasks.admin.sweeping import sweep_queues

__all__ = ["control_breaker", "replay_dead_letters", "sweep_queues"]
