#!/usr/bin/env python3
"""On one of two machines: its commands of the transcript in a document, each in its turn.

    transcript.py MACHINE DOCUMENT SHARE     SHARE is a folder that both machines have

A command stands behind its machine's prompt (a# ...) in a block that begins with ```console; what follows is what it
has to say, in this order. A word with a digit in it may be another one with every run, and "..." leaves lines out.
"""
import os
import pathlib
import pty
import re
import sys
import termios
import time

COMMANDS = 10  # at most, up to the one that makes the relationship
PROMPT = re.compile(r"^(\w+)# (.+)$")
CODE = re.compile(r"One-time code: +(\S+)")
WARNING = 7  # exit status of akmctl status
WAIT_S = 200


def steps(text):
    """[machine, command, lines]"""
    out = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            prompt = PROMPT.match(line)
            if prompt:
                out.append([prompt[1], prompt[2], []])
            elif line.strip() not in ("", "..."):
                out[-1][2].append(line)
    return out


def pattern(line):
    return re.compile(r"\s+".join(r"\S+" if re.search(r"\d", word) else re.escape(word) for word in line.split()))


def missing(wanted, said):
    """The first line that is not there, after those before it."""
    rest = iter(said.splitlines())
    for line in wanted:
        if not any(pattern(line).fullmatch(one.strip()) for one in rest):
            return line
    return None


def run(command, code):
    """Exit status and output, on a terminal of its own; a question for the code is answered."""
    child, terminal = pty.fork()
    if child == 0:
        termios.tcsetwinsize(0, (40, 120))
        os.execv("/bin/bash", ["bash", "-c", command])
    said = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # it has ended
            break
        said += part
        if code and said.endswith(b"code: ") and " provision " in command:
            os.write(terminal, code.encode() + b"\n")
            code = None
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode(errors="replace").replace("\r", "")


def turn(number, share):
    """Waits until all before it is done; False when it will not be."""
    end = time.monotonic() + WAIT_S
    while number and not (share / f"said-{number - 1}").exists():
        if (share / "failed").exists() or time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def main(machine, document, share):
    todo = steps(pathlib.Path(document).read_text(encoding="utf-8"))
    made = next((number for number, step in enumerate(todo, 1) if "asr create" in step[1]), COMMANDS + 1)
    if made > COMMANDS:
        sys.exit(f"no relationship after {COMMANDS} commands")
    code = share / "code"
    for number, (where, command, wanted) in enumerate(todo):
        if where != machine:
            continue
        if not turn(number, share):
            sys.exit(f"{number + 1}. was not reached")
        status, said = run(command, code.read_text() if code.exists() else None)
        lost = missing(wanted, said)
        # It has warnings: a container has no TPM.
        good = lost is None and (status == 0 or (command == "akmctl status" and status == WARNING))
        print(f"{'ok     ' if good else 'NOT OK '} {number + 1}. {command}", flush=True)
        if not good:
            (share / "failed").touch()
            sys.exit(f"exit status {status}, not said: {lost}\n{said}")
        if found := CODE.search(said):
            code.write_text(found[1])
        (share / f"said-{number}").write_text(said)
    turn(len(todo), share)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
