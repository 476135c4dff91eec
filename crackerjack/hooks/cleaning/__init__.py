"""Cleaning code: safe fixes only, and none that changes what a program does.

ruff proposes, :func:`clean` disposes: what ruff would make of a file is taken only when the guards
say that it means the same (:mod:`.guard`) and that nobody else needs what is gone (:mod:`.taken`).
"""

from __future__ import annotations

from crackerjack.hooks.cleaning.clean import CleaningResult, clean

__all__ = ["CleaningResult", "clean"]
