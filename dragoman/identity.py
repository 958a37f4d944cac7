"""The identity check: each of our packages, as Python would import it here, is the one installed with this command.

Other distributions own a package called `translators`, and pip overwrites a package of the same name without a word; a
folder beside the adopter's project may shadow one. Both are found before anything of ours but this module is imported:
packages are located, never run, since what stands in their place is not ours to execute. So this module imports only
the standard library and, from our own folder whatever else bears that name, the root of the errors.
"""

from __future__ import annotations

import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

PACKAGES = ("translators", "connectors", "pipeline", "reconcile", "dragoman")

HOME = Path(__file__).resolve().parents[1]
"""The folder that holds all of them: site-packages, or the checkout of an editable install."""

MARKER = re.compile(r"^__dragoman__ = True$", re.MULTILINE)


def foreign_packages() -> dict[str, str]:
    """Name and place of each package that is not ours as it would be imported now; empty when all is well.

    The place is a file, a folder that has no `__init__.py`, or `nowhere`.
    """
    return {name: place for name in PACKAGES if (place := _foreign_place(name)) is not None}


def _foreign_place(name: str) -> str | None:
    spec = find_spec(name)
    if spec is None:
        return "nowhere"
    if spec.origin is None:
        return next(iter(spec.submodule_search_locations or ()), "nowhere")
    origin = Path(spec.origin).resolve()
    if origin == HOME / name / "__init__.py" and MARKER.search(origin.read_text(encoding="utf-8")):
        return None
    return str(origin)


if TYPE_CHECKING or _foreign_place("translators") is None:
    from translators.errors import DragomanError
else:
    DragomanError = runpy.run_path(str(HOME / "translators" / "errors.py"))["DragomanError"]


class PackageShadowed(DragomanError):
    """Package {package} is not Dragoman's: Python finds it at {place}, and Dragoman's own belongs in {home}."""

    code = "install.package-shadowed"
    hint = (
        "If {place} is yours, give it another name or start from another folder. If another distribution brought it, "
        "keep the two apart: make a fresh virtual environment and install dragoman alone."
    )


def check() -> None:
    """Raise `PackageShadowed` for the first of our packages that is not ours as it would be imported now.

    To be called before anything else of ours is imported, and again after `sys.path` was changed.
    """
    for package, place in foreign_packages().items():
        raise PackageShadowed(package=package, place=place, home=str(HOME))


def check_or_exit() -> None:
    """`check` for the entry point, where nothing that prints errors is imported yet: reason on stderr, exit code 2."""
    try:
        check()
    except PackageShadowed as error:
        sys.stderr.write(f"error {error.code}\n  {error.message}\n  next   {error.advice}\n")
        raise SystemExit(2) from error
