"""Kernel functions that the model may call: found, marked, asked about, run."""

from claude_magic.tools.marks import tool

__all__ = ["tool"]
