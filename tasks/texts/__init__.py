"""Texts found in hooks: kept once, compared with those seen before, and given the nearest label."""

from tasks.texts.handler import keep_texts
from tasks.texts.relate import relate_text

__all__ = ["keep_texts", "relate_text"]
