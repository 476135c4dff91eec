"""What is a secret, what is not, and that none reaches the log."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.masking import Masker

FIXTURES = Path(__file__).parent / "fixtures" / "tool_output"
MASKER = Masker({"DEPLOY_TOKEN": "wolpertinger-7", "HOME": "/home/somebody", "API_KEY": "short"})


def key(label: str) -> str:
    return f"-----{label} RSA PRIVATE KEY-----"


SECRETS = {
    "environment": ("deployed with wolpertinger-7.", "deployed with ***."),
    "github": ("ghp_" + "a1" * 18, "ghp_***"),
    "gitlab": ("glpat-" + "x" * 20, "glpat-***"),
    "aws": ("id AKIA" + "ABCD" * 4, "id AKIA***"),
    "slack": ("xoxb-1234567890-abc", "xoxb-***"),
    "stripe": ("sk_live_" + "b" * 24, "sk_live_***"),
    "model": ("sk-ant-api03-" + "c" * 20, "sk-ant-***"),
    "jwt": ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "eyJ***"),
    "jwt after a word": ("x-eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "x-eyJ***"),
    "url": ("git+https://me:hunter2@host/x", "git+https://me:***@host/x"),
    "header": ("Authorization: Bearer abcdefgh", "Authorization: Bearer ***"),
    "assigned": ("password = 'correct-horse'", "password = '***'"),
    "bare": ("api_key=AbC123dEf456GhI", "api_key=***"),
    "pem": (f"{key('BEGIN')}\nMIIabc\n{key('END')}\n", f"{key('BEGIN')}***{key('END')}\n"),
    "rest of a pem": ("MIIabc" * 8 + f"\n{key('END')}", f"***{key('END')}"),
}

HARMLESS = (
    'src/a.py:12:3: error: Argument "token" to "f" has incompatible type "str"  [arg-type]',
    "def login(token: str, password: Optional[str] = None) -> None:",
    "secret = get_secret(arg1)",
    "token=tokens.first_token12345(x)",
    "sk-learn-contrib-package-name",
    "http://127.0.0.1:8675/jobs",
    "tests/test_key.py::test_token[param-1] PASSED",
    "short",
)


@pytest.mark.parametrize("kind", SECRETS)
def test_masked(kind: str) -> None:
    text, expected = SECRETS[kind]
    assert MASKER(text) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless(text: str) -> None:
    assert MASKER(text) == text


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.*")), ids=lambda path: path.name)
def test_what_tools_say_stays_as_it_is(path: Path) -> None:
    text = path.read_text(errors="replace")
    assert MASKER(text) == text


@given(
    st.lists(
        st.one_of(st.text(), st.sampled_from([text for text, _ in SECRETS.values()])), max_size=6
    ).map(" ".join)
)
def test_masking_again_changes_nothing(text: str) -> None:
    once = MASKER(text)
    assert MASKER(once) == once


@pytest.mark.parametrize(
    "text", ["-eyJ", "sk-ant-eyJ-", "-eyJaaaaaaaa.eyJ", "a-", "key-", "sk-", "key = ", "://a:"]
)
def test_no_text_is_slow(text: str) -> None:
    """Its tool waits meanwhile."""
    many = text * (256 * 1024 // len(text)) + "key .eyJ"  # which more of the patterns look for
    began = time.process_time()
    MASKER(many)
    assert time.process_time() - began < 1.0  # a tenth of that is enough


def test_no_secret_reaches_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRACKERJACK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DEPLOY_TOKEN", "wolpertinger-7")
    project = tmp_path / "project"
    project.mkdir()
    texts = [text for kind, (text, _) in SECRETS.items() if kind != "rest of a pem"]
    (project / "say.py").write_text(f"print({chr(10).join(texts)!r})\nraise SystemExit(1)\n")
    command = f'command = ["{sys.executable}", "say.py"]'
    (project / "pyproject.toml").write_text(f"[tool.crackerjack.hooks.say]\n{command}\n")
    argv = [sys.executable, "-m", "crackerjack", "run", "--json", "--hook", "say"]
    ran = subprocess.run(argv, cwd=project, capture_output=True, text=True, check=False)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("store.db*"))
    assert "deployed with ***" in ran.stdout
    for secret in ("wolpertinger-7", "a1" * 18, "hunter2", "correct-horse", "MIIabc", "abcdefgh"):
        assert secret not in ran.stdout
        assert secret.encode() not in stored
