"""BLAKE2 alone: hashlib loads OpenSSL too, which takes 3 ms of a start that may take 100."""

try:
    from _blake2 import blake2b
except ImportError:  # an implementation detail of CPython
    from hashlib import blake2b

__all__ = ["blake2b"]
