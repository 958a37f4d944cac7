"""Column types: what a contract's field is in a database, written exactly and read back without trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, Integer, LargeBinary, Numeric, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from translators.contract import Shape

KEY_LENGTH = 512
"""Characters of a business key's text; longer ones are refused by databases that keep limits."""


LONG = 255
"""Characters of a text from which on MySQL and MariaDB keep it outside of the row, whose bytes they limit."""

UTF8: Mapping[str, Any] = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
"""What tables are made with, since a database there may have been made with a smaller character set."""

_MYSQL = ("mysql", "mariadb")


def key_type() -> Stored:
    """A text that is compared and ordered by code points, whatever the database does with other texts."""
    return Stored("key", KEY_LENGTH)


def bytes_type() -> TypeEngine[bytes]:
    """Bytes of any length (MySQL picks the type that holds so many)."""
    return LargeBinary().with_variant(LargeBinary(2**31 - 1), *_MYSQL)


def column_type(shape: Shape, *, key: bool = False) -> Stored:
    """The type of a column for a contract's field; texts of a `key` are told apart by every character."""
    if key and shape.kind == "text":
        return Stored("exact", shape.max_length or KEY_LENGTH)
    return Stored(shape.kind, shape.max_length or (KEY_LENGTH if key else None), shape.digits, shape.places)


class Stored(TypeDecorator[Any]):
    """A value of a contract's field, as Python's str, int, float, bool, Decimal, date or aware datetime (UTC).

    SQLite has no exact decimals and no dates: there they are texts (`412.50`, ISO 8601). Decimals whose digits the
    contract leaves open are texts everywhere. What does not have the one form in which it was written (an edit by hand)
    is read as it stands, so that it can be seen to differ.
    """

    impl = Text
    cache_ok = True

    def __init__(
        self, kind: str, length: int | None = None, digits: int | None = None, places: int | None = None
    ) -> None:
        super().__init__()
        self.kind = kind
        self.length = length
        self.digits = digits
        self.places = places

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The database's own type. Not adapted here: some dialects would make FLOAT of Double."""
        if self.kind in ("key", "exact"):
            return String(self.length, collation=self._collation(dialect))
        found = self._plain() if self._plainly(dialect) else self._native()
        is_long = isinstance(found, String) and (found.length or LONG + 1) > LONG
        return mysql.LONGTEXT() if is_long and dialect.name in _MYSQL else found

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """What is handed to the driver."""
        if self._plainly(dialect):
            return _written(value)
        # Some drivers drop the zone without a word.
        return value.astimezone(UTC) if isinstance(value, datetime) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What the driver gave, as the value that was written, or as it stands."""
        if value is None:
            return None
        if self._plainly(dialect):
            reader = _READERS.get(self.kind)
            return value if reader is None else reader(value)
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return value

    def _plainly(self, dialect: Dialect) -> bool:
        return dialect.name == "sqlite" or (self.kind == "decimal" and (self.digits is None or self.places is None))

    def _collation(self, dialect: Dialect) -> str | None:
        """That of bytes, without padding: where others take texts for the same, two keys would be one."""
        if dialect.name in _MYSQL:
            is_mariadb = dialect.name == "mariadb" or getattr(dialect, "is_mariadb", False)
            return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
        return "C" if dialect.name == "postgresql" and self.kind == "key" else None

    def _plain(self) -> TypeEngine[Any]:
        match self.kind:
            case "integer" | "boolean":
                return Integer()
            case "float":
                return Double()
            case "text" if self.length is not None:
                return String(self.length)
            case _:
                return Text()

    def _native(self) -> TypeEngine[Any]:
        match self.kind:
            case "integer":
                return BigInteger()
            case "boolean":
                return Boolean()
            case "float":
                return Double()
            case "decimal":
                return Numeric(self.digits, self.places)
            case "date":
                return Date()
            case "timestamptz":
                return DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *_MYSQL)
            case _:
                return Text() if self.length is None else String(self.length)


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) else value


def _exactly(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A reader that takes only texts in the form in which we write them, and gives back the others as they stand."""

    def read(value: Any) -> Any:
        try:
            parsed = parse(value)
            same = _written(parsed) == value
        except (ValueError, TypeError, InvalidOperation):
            return value
        return parsed if same else value

    return read


def _boolean(value: Any) -> Any:
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "decimal": _exactly(Decimal),
    "date": _exactly(date.fromisoformat),
    "timestamptz": _exactly(datetime.fromisoformat),
    "boolean": _boolean,
}
