"""The docs run: what README and docs show is what the files hold and what the commands do."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in FENCE.findall(README)
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("dragoman ")
]


@pytest.mark.parametrize("block", [body for language, body in FENCE.findall(README) if language == "yaml"])
def test_a_mapping_in_the_readme_is_a_piece_of_the_example(block: str) -> None:
    assert block in (ROOT / "examples" / "insurer" / "mappings" / "payment.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_readme_works(command: str) -> None:
    arguments = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_readme_shows_commands_at_all() -> None:
    assert len(COMMANDS) == 2


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_a_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "examples/insurer/README.md"])
def test_what_a_page_points_to_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    folders = re.findall(r"^\| `([a-z/]+/)` \|", text, re.MULTILINE)
    for link in [*links, *folders]:
        assert ((ROOT / page).parent / link).exists() or (ROOT / link).exists(), link
