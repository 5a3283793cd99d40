"""What an administrator does by task: replay dead letters, and steer circuit breakers."""

from tasks.admin.breakers import control_breaker
from tasks.admin.replay import replay_dead_letters

__all__ = ["control_breaker", "replay_dead_letters"]
