"""One command runs a Python project's code-quality workflow as a job whose events stream live."""

__version__ = "0.1.0"
