"""Ends our children when we cannot: after ``kill -9``, a crash, or the out-of-memory killer."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

# The kernel closes our end of the pipe however we die, and so tells the shell. It reads "+ PGID" and
# "- PGID" lines until then. A child that is being started has no known number yet: "pipe:INODE" stands
# for who holds that pipe; it and who left a group are found as far as there is a /proc to ask. The
# arguments are the command to run at last.
_SCRIPT: Final = """
holders_of() {
    ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
        case $line in
        /proc/*/fd:) process=${line#/proc/} ;;
        *"-> pipe:[$1]") echo "${process%/fd:}" ;;
        esac
    done
}
tree_of() { # who descends from $1, or is in its session
    members=" $1 "
    grows=yes
    while [ -n "$grows" ]; do
        grows=
        for stat in /proc/[0-9]*/stat; do
            { read -r line <"$stat"; } 2>/dev/null || continue
            process=${line%% *}
            case $members in *" $process "*) continue ;; esac
            set -- "$1" ${line##*) } # its state, parent, group, session, ...
            [ "$5" = "$1" ] || case $members in *" $3 "*) ;; *) continue ;; esac
            members="$members$process "
            grows=yes
        done
    done
    echo "$members"
}
groups=
while read -r sign group; do
    case $sign in
    +) groups="$groups $group" ;;
    -)
        others=
        for other in $groups; do
            [ "$other" = "$group" ] || others="$others $other"
        done
        groups=$others
        ;;
    esac
done
for group in $groups; do
    case $group in
    pipe:*)
        for process in $(holders_of "${group#pipe:}"); do
            kill -s KILL -- "-$process"
            kill -s KILL "$process"
        done
        ;;
    *)
        tree=$(tree_of "$group")
        kill -s KILL -- "-$group"
        [ "$tree" = " $group " ] || kill -s KILL $tree
        ;;
    esac
done
[ $# -eq 0 ] || exec "$@"
"""


class Guardian:
    """A small process of its own that outlives ours only to clean up.

    Implements :class:`crackerjack.hooks.process_groups.ProcessGroups`. If this process ends without
    :meth:`close`, the guardian kills every group that is still alive and then becomes the command
    `on_death`, in the directory and with the environment that we had. Should the guardian itself be
    killed, all goes on without one.
    """

    def __init__(self, on_death: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe()
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "crackerjack-guardian", *on_death],
                stdin=self._reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what the terminal kills us with does not reach it
            )
        except BaseException:
            os.close(self._writer)
            raise
        finally:
            os.close(self._reader)
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def starting(self, pipe: int) -> Iterator[None]:
        """While the block runs, watch over whoever holds the pipe that has this inode number."""
        self._tell(f"+ pipe:{pipe}\n")
        try:
            yield
        finally:
            self._tell(f"- pipe:{pipe}\n")

    def started(self, pgid: int) -> None:
        """Watch over the process group `pgid`."""
        self._tell(f"+ {pgid}\n")

    def ended(self, pgid: int) -> None:
        """Forget the group, whose number may belong to others soon."""
        self._tell(f"- {pgid}\n")

    def close(self) -> None:
        """Dismiss the guardian: nothing is killed, nothing is run. May be called again."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._shell.kill()
            self._shell.wait()
            os.close(self._writer)

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._open:
                with contextlib.suppress(BrokenPipeError):  # it was killed
                    os.write(self._writer, line.encode())
