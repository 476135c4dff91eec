"""The pure core: bytes and a name in, findings and better bytes out."""

from __future__ import annotations

import base64
import random
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.hooks.builtin import CHECKS, FIXABLE, FileCheckSettings, check_file, fix_file
from crackerjack.hooks.diagnostic import Diagnostic, Severity

HEADER = "-----BEGIN RSA PRIVATE KEY-----"
FOOTER = "-----END RSA PRIVATE KEY-----"


def found(path: str, data: bytes | str, *checks: str) -> list[Diagnostic]:
    content = data.encode() if isinstance(data, str) else data
    return list(check_file(path, content, checks or CHECKS, FileCheckSettings()))


def places(path: str, data: bytes | str, *checks: str) -> list[tuple[str, int | None, int | None]]:
    return [(one.code, one.line, one.column) for one in found(path, data, *checks)]


def key_text(characters: int = 1600) -> str:
    encoded = base64.b64encode(random.Random(1).randbytes(characters)).decode()[:characters]
    return "\n".join(encoded[at : at + 64] for at in range(0, len(encoded), 64))


def test_a_clean_file_has_no_findings() -> None:
    assert found("pkg/module.py", "import os\n\n\ndef f():\n    return os.sep\n") == []


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"x\n", b"x\r\n", b"x\r"])
def test_files_that_end_well(data: bytes) -> None:
    assert found("notes.txt", data) == []


@pytest.mark.parametrize(
    ("data", "line", "fixed"),
    [
        (b"x", 1, b"x\n"),
        (b"a\r\nb", 2, b"a\r\nb\r\n"),
        (b"x\n\n", 2, b"x\n"),
        (b"x\r\n\r\n\r\n", 2, b"x\r\n"),
        (b"\n\n\n", 2, b"\n"),
    ],
)
def test_end_of_file(data: bytes, line: int, fixed: bytes) -> None:
    assert places("notes.txt", data) == [("end-of-file", line, None)]
    assert fix_file("notes.txt", data, CHECKS).data == fixed


def test_trailing_whitespace_is_found_where_it_is() -> None:
    data = b"one  \n\ttwo\t\r\nthree\n \nfour "
    assert places("notes.txt", data, "trailing-whitespace") == [
        ("trailing-whitespace", 1, 4),
        ("trailing-whitespace", 2, 5),
        ("trailing-whitespace", 4, 1),
        ("trailing-whitespace", 5, 5),
    ]
    assert (
        fix_file("notes.txt", data, ["trailing-whitespace"]).data == b"one\n\ttwo\r\nthree\n\nfour"
    )


def test_of_many_lines_the_rest_is_counted() -> None:
    *listed, rest = found("notes.txt", b"x \n" * 1000)
    assert len(listed) == 20
    assert rest.line == 21
    assert "980 more lines" in rest.message


@pytest.mark.parametrize("name", ["a.patch", "table.tsv", "app.min.js", "logo.SVG"])
def test_white_space_that_is_content_is_left_alone(name: str) -> None:
    assert found(name, b"context \n\n\n") == []


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("app/templates/subject.txt", b"Password reset"),
        ("app/attrs.html", b"{% for name in names %} {{ name }}\t\n{% endfor %}"),
        ("tests/attachments/file.txt", b"content"),
        ("tests/fixtures/response.http", b"HTTP/1.1 200 OK\r\n\r\nbody\n"),
        ("pkg/testdata/TRAILING.css", b"a {} \n\n"),
        ("fuzz/afl-server-examples/4", b"GET /asdf HTTP/1.0\r\n\r\n"),
        ("corpus/empty-lines", b"\n\n"),
    ],
)
def test_white_space_that_is_printed_or_read_is_left_alone(path: str, data: bytes) -> None:
    assert found(path, data) == []


def test_sources_beside_what_tests_read_are_judged() -> None:
    assert places("tests/test_m.py", b'x = "{{"  \n') == [("trailing-whitespace", 1, 9)]
    assert places("tests/setup.yaml", b"a: 1") == [("end-of-file", 1, None)]


def test_markdown_keeps_its_hard_breaks() -> None:
    data = b"hard break  \nnext \nmore   \n  \n"
    assert places("README.md", data) == [
        ("trailing-whitespace", 2, 5),
        ("trailing-whitespace", 4, 1),
    ]
    assert fix_file("README.md", data, CHECKS).data == b"hard break  \nnext\nmore   \n"


def test_white_space_in_a_python_string_is_content() -> None:
    data = b'x = """a \nb\t\n""" \nf = f"""{\n  1 \n} \n"""\n'
    lines = [place[1] for place in places("m.py", data)]
    assert lines == [3]
    assert fix_file("m.py", data, CHECKS).data == data.replace(b'""" \n', b'"""\n')


def test_white_space_beside_strings_of_a_broken_file_is_not_judged() -> None:
    assert [one.code for one in found("m.py", b'x = """a \n""" \n(\n')] == ["ast"]


def test_mixed_line_endings_follow_the_majority() -> None:
    data = b"a\r\nb\nc\r\n"
    assert places("notes.txt", data) == [("mixed-line-endings", 2, None)]
    assert fix_file("notes.txt", data, CHECKS).data == b"a\r\nb\r\nc\r\n"
    assert places("notes.txt", b"a\nb\r\nc\nd\n") == [("mixed-line-endings", 2, None)]
    assert fix_file("notes.txt", b"a\nb\r\n", CHECKS).data == b"a\nb\n"


def test_fixes_are_named() -> None:
    assert fix_file("m.py", b"x = 1 \r\ny = 2\r\nz = 3\n\n", CHECKS).rules == FIXABLE
    assert fix_file("m.py", b"x = 1\n", CHECKS).rules == ()


def test_a_fix_that_would_change_what_a_file_says_is_refused() -> None:
    fixed = fix_file("a.yaml", b"text: |\n  two  \n  lines\nother: 1", CHECKS)
    assert fixed.data == b"text: |\n  two  \n  lines\nother: 1\n"
    assert fixed.rules == ("end-of-file",)
    assert fixed.refused == "trailing-whitespace: that would change what it says"
    assert fix_file("a.toml", b'x = """a \nb"""\n', CHECKS).refused
    assert fix_file("m.py", b"x = ( \n", CHECKS).refused


@given(
    st.lists(
        st.sampled_from(
            [
                "x = 1",
                '"""a',
                'b"""',
                "def f():",
                "    pass",
                "",
                " ",
                "\t",
                "# c",
                "y = (",
                ")",
                "\f",
            ]
        )
    ),
    st.lists(st.sampled_from(["\n", "\r\n", " \n", "\t\r\n", ""]), min_size=1),
    st.sampled_from(["m.py", "notes.txt", "README.md", "a.yaml", "a.toml"]),
)
def test_fixing_is_final(lines: list[str], ends: list[str], name: str) -> None:
    data = "".join(line + ends[at % len(ends)] for at, line in enumerate(lines)).encode()
    once = fix_file(name, data, CHECKS)
    assert fix_file(name, once.data, CHECKS).data == once.data
    if not once.refused:
        assert not [one for one in found(name, once.data) if one.fixable]


def test_a_syntax_error_is_found_where_it_is() -> None:
    [error] = found("m.py", "x = 1\r\ny = (\r\n")
    assert (error.code, error.line, error.column) == ("ast", 2, 5)
    assert error.message == f"not Python 3.{sys.version_info[1]}: '(' was never closed"


@pytest.mark.parametrize(
    "data",
    [
        "# coding: latin-1\nx = 'é'\n".encode("latin-1"),
        "\N{BYTE ORDER MARK}x = 'é'\n".encode(),
        b"x = '\\d'\n",  # the compiler warns, and warnings are errors here
        b"def f():\n\treturn 1\n\x0c\n",
    ],
)
def test_odd_sources_that_python_takes(data: bytes) -> None:
    assert found("m.py", data, "ast") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x = 1\n".encode("utf-16"), "UTF-16"),
        ("x = 1\n".encode("utf-16-le"), "null bytes"),
        (b"x = '\xe9'\n", "utf-8"),
        (b"# coding: bogus\n", "unknown encoding"),
        (b"(" * 5000 + b"\n", "too many nested"),
        (b"-" * 100_000 + b"1\n", ""),  # each version says something else
        (b"def f(a, a): pass\n", "duplicate argument"),
    ],
)
def test_odd_sources_that_python_does_not_take(data: bytes, message: str) -> None:
    [error] = found("m.py", data)
    assert error.code == "ast"
    assert message in error.message


@pytest.mark.parametrize(
    ("requires_python", "severity"),
    [
        (">=3.99", Severity.NOTE),
        ("~=3.99", Severity.NOTE),
        (">=3.8,<4", Severity.ERROR),
        ("<3.99", Severity.ERROR),
        ("", Severity.ERROR),
    ],
)
def test_a_newer_python_may_take_it(requires_python: str, severity: Severity) -> None:
    settings = FileCheckSettings(requires_python=requires_python)
    [found] = check_file("m.py", b"x = t't't\n", CHECKS, settings)
    assert found.severity is severity


def test_a_template_of_a_project_is_no_python() -> None:
    assert found("{{cookiecutter.slug}}/m.py", "import {{cookiecutter.slug}}\n") == []


@pytest.mark.parametrize(
    "data",
    [
        "a: !Ref name\nb: !!python/object:os.system {}\n---\nc: [1, 2]\n",
        "a: &x {<<: 1}\nb: {<<: *x, <<: *x}\nc: &x 2\n",
        '1: a\n"1": b\n',
        "on: ${{ github.ref }}\n",
        "spec: {{ .Values.spec }}\n  x: {% if a %}\n",
        "",
    ],
)
def test_yaml_that_is_fine(data: str) -> None:
    assert found("a.yml", data, "yaml") == []


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a: 1\nb: {x: 1}\na: 2\n", 3, 1, "key 'a' twice"),
        ("a: &x 1\n---\nb: *x\n", 3, 4, "*x"),
        ("x: \x01\n", None, None, "control characters"),
        ("a: [${{ x }}\n", 1, 6, "not YAML"),
    ],
)
def test_yaml_that_is_not(data: str, line: int | None, column: int | None, message: str) -> None:
    [error] = found("a.yaml", data, "yaml")
    assert (error.line, error.column) == (line, column)
    assert message in error.message


@pytest.mark.parametrize("nested", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000])
def test_deeply_nested_yaml_takes_no_time(nested: str) -> None:
    [note] = found("a.yaml", nested, "yaml")
    assert note.severity is Severity.NOTE


def test_toml() -> None:
    assert found("a.toml", "x = 1\n[t]\ny = [1,\n2]\n") == []
    assert places("a.toml", "x = 1\ny = = 2\n") == [("toml", 2, 5)]
    assert places("a.toml", 'x = 1\ny = """a\n\n', "toml") == [("toml", 2, None)]
    assert places("a.toml", "x = 1\nx = 2\n") == [("toml", 2, 6)]
    assert places("a.toml", b"x = '\xe9'\n") == [("toml", None, None)]
    assert places("a.toml", "x = {{ cookiecutter.x }}\n") == []
    assert found("a.toml", "x = " + "[" * 5000 + "\n")[0].severity is Severity.NOTE


def test_json() -> None:
    assert found("a.json", '{"a": [1, 2.5e3, null, {"a": 1}]}\n') == []
    assert found("a.json", '\N{BYTE ORDER MARK}{"n": ' + "9" * 5000 + "}\n") == []
    assert places("a.json", '{"a": 1,\n "b": }\n') == [("json", 2, 7)]
    assert places("a.json", "") == [("json", 1, 1)]
    assert places("a.json", b'"\xe9"\n') == [("json", None, None)]
    [twice] = found("a.json", '{"x": {"a": 1, "b": 2, "a": 3}}\n')
    assert twice.message == "name 'a' twice in one object"
    assert found("a.json", "[" * 100_000 + "\n")[0].severity is Severity.NOTE
    assert found("a.json", '{"name": {{ cookiecutter.name }}}\n') == []


@pytest.mark.parametrize(
    "path",
    ["tsconfig.json", "web/tsconfig.build.json", ".vscode/settings.json", "pyrightconfig.json"],
)
def test_json_that_may_have_comments(path: str) -> None:
    assert found(path, '{"a": 1, // why\n}\n') == []


CONFLICT = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> branch\n"


def test_a_merge_conflict_is_found() -> None:
    assert places("notes.txt", "a\n" + CONFLICT) == [("merge-conflict", 2, None)]
    assert places("notes.txt", CONFLICT.replace("\n", "\r\n")) == [("merge-conflict", 1, None)]
    diff3 = CONFLICT.replace("=======", "||||||| base\nwas\n=======")
    assert places("notes.txt", diff3 + CONFLICT) == [
        ("merge-conflict", 1, None),
        ("merge-conflict", 8, None),
    ]
    assert "merge-conflict" in [one.code for one in found("m.py", CONFLICT)]


@pytest.mark.parametrize(
    "data",
    [
        "Heading\n=======\n\ntext\n",
        "<<<<<<< HEAD\n",
        "=======\n<<<<<<< HEAD\n>>>>>>> x\n",
        "    <<<<<<< HEAD\n    =======\n    >>>>>>> x\n",
    ],
)
def test_what_is_no_merge_conflict(data: str) -> None:
    assert found("docs.rst", data) == []


def test_a_conflict_in_a_string_of_python_is_none() -> None:
    assert found("m.py", f'x = """\n{CONFLICT}"""\n') == []


@pytest.mark.parametrize(
    "data",
    [
        f"{HEADER}\n{key_text()}\n{FOOTER}\n",
        f"{HEADER}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{key_text()}\n{FOOTER}\n",
        f"{HEADER}\n{key_text(64)}\n{FOOTER}\n".replace("RSA ", ""),
        "KEY = " + repr(f"{HEADER}\n{key_text()}\n{FOOTER}\n") + "\n",
        f"{HEADER}\n{key_text()}\n{FOOTER}\n".replace("RSA ", "OPENSSH "),
    ],
)
def test_a_private_key_is_found(data: str) -> None:
    [key] = found("conf.txt", data)
    assert (key.code, key.line) == ("private-key", 1)


@pytest.mark.parametrize(
    "data",
    [
        "the words PRIVATE KEY, and no header\n",
        f"assert key.startswith('{HEADER}')\n",
        f"{HEADER}\n...\n{FOOTER}\n",
        f"{HEADER}\n{'x' * 64}\n{'x' * 64}\n{FOOTER}\n",
        f"{HEADER}\n{key_text()}\n".replace("PRIVATE", "PUBLIC"),
        f"{HEADER}\nput the {key_text()[:50]} here\n{FOOTER}\n",
    ],
)
def test_what_is_no_private_key(data: str) -> None:
    assert found("conf.txt", data) == []


def test_headers_without_end_are_read_once() -> None:
    """A few MB of them took minutes, in which no time limit and no Ctrl-C was heard."""
    one = f"{HEADER}\n{key_text(64)}\n"
    data = (one * 300 + f"{FOOTER}\n") * 50
    began = time.process_time()
    keys = found("conf.txt", data, "private-key")
    assert time.process_time() - began < 2.0  # a hundredth of that is enough
    assert [key.line for key in keys] == [2 * 300 * n + n - 2 for n in range(1, 51)]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("x = 1\nbreakpoint()\n", 2),
        ("import pdb; pdb.set_trace()\n", 1),
        ("import os, ipdb as d\nd.set_trace()\n", 2),
        ("from pudb import set_trace as stop\nif stop:\n    stop()\n", 3),
        ("import pdb\n", 1),
    ],
)
def test_debug_statements(data: str, line: int) -> None:
    assert [place[:2] for place in places("m.py", data)] == [("debug-statement", line)]


@pytest.mark.parametrize(
    "data",
    [
        "import pdb\n\n\nclass Debugger(pdb.Pdb):\n    pass\n",
        "def breakpoint():\n    pass\n\n\nbreakpoint()\n",
        "from .tools import breakpoint\n\nbreakpoint()\n",
        "breakpoint()  # noqa: T100\n",
        "import pdb  # noqa\n",
        "self.breakpoint()\n",
        "# breakpoint()\nx = 'import pdb'\n",
        "from .pdb import set_trace\n",
    ],
)
def test_what_is_no_debug_statement(data: str) -> None:
    assert found("m.py", data) == []


def test_a_comment_that_excuses_something_else_excuses_nothing() -> None:
    assert len(found("m.py", "breakpoint()  # noqa: E501\n")) == 1


def test_large_files() -> None:
    settings = FileCheckSettings(large_file_kb=1)
    [large] = check_file("a.txt", b"x" * 1024 + b"\n", CHECKS, settings)
    assert (large.code, large.line) == ("large-file", None)
    assert check_file("a.txt", b"x" * 1023 + b"\n", CHECKS, settings) == ()


def test_binary_files_are_left_alone() -> None:
    assert found("a.bin", b"x \n\0" + CONFLICT.encode()) == []
    assert fix_file("a.bin", b"x \n\0", CHECKS).data == b"x \n\0"


def test_only_the_checks_that_are_asked_for() -> None:
    assert [one.code for one in found("m.py", b"x = ( ", "ast")] == ["ast"]
    assert found("m.py", b"x = ( ", "toml") == []


def test_paths_are_printable() -> None:
    [finding] = found("caf\udce9.txt", b"x", "end-of-file")
    assert finding.path == "caf\\xe9.txt"


@given(st.sampled_from(["m.py", "a.yaml", "a.toml", "a.json", "a.md"]), st.binary(max_size=200))
def test_no_bytes_surprise_it(name: str, data: bytes) -> None:
    for finding in found(name, data):
        assert finding.line is None or finding.line >= 1
        assert finding.column is None or finding.column >= 1
    fix_file(name, data, CHECKS)
