"""Dragoman SQL: a closed subset of PostgreSQL's scalar expressions with one exact meaning.

`parse` gives a tree with spans, `bind` a typed tree, `Emitter` the Python text of it; `duckdb.to_duckdb` and
`postgres.to_postgres` give its SQL. `catalogue.py` is the language.
"""

from __future__ import annotations

from translators.expression.bind import bind
from translators.expression.bound import Bound, CodeTable, Scope, fallible, is_constant, sources
from translators.expression.errors import ExpressionError
from translators.expression.evaluate import evaluate
from translators.expression.parse import parse
from translators.expression.python import Emitter, Names, Writer
from translators.expression.runtime import ValueProblem

__all__ = [
    "Bound",
    "CodeTable",
    "Emitter",
    "ExpressionError",
    "Names",
    "Scope",
    "ValueProblem",
    "Writer",
    "bind",
    "evaluate",
    "fallible",
    "is_constant",
    "parse",
    "sources",
]
