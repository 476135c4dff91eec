"""Runs on other machines: how a project travels there, and how its fixes come back."""
