"""`dragoman schema`: what editors need to complete and check a project's files."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import Annotated, Literal

import typer

Name = Literal["project", "schema", "source", "mapping", "test", "consumer", "check"]


def schema(
    name: Annotated[
        Name,
        typer.Argument(
            metavar="NAME", help="project, schema, source, mapping, test, consumer or check.", show_default=False
        ),
    ],
) -> None:
    """Print the JSON Schema (2020-12) of one kind of project file.

    Keep it in the project, and name it in the first line of the file: editors with a YAML language server take it from
    `# yaml-language-server: $schema=../schemas/mapping.json`.
    """
    sys.stdout.write(files("dragoman").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8"))
