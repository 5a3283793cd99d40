"""Hooks: deliveries from outside, normalised, stored once and handed to handlers, in one transaction each."""

from tasks.hooks import activity, sweep
from tasks.hooks.event import HookEvent
from tasks.hooks.hook import Hook
from tasks.hooks.process import process_hook
from tasks.hooks.registry import on

__all__ = ["Hook", "HookEvent", "activity", "on", "process_hook", "sweep"]
