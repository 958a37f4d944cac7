"""Whether a PostgreSQL takes a replication connection: a pooler or pg_hba.conf may refuse what an ordinary one is given."""

from __future__ import annotations

from sqlalchemy import make_url


def replication_probe(url: str) -> str | None:
    """What the server answered: "" if it takes it, its words if not, None where this driver cannot try."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql" or parsed.get_driver_name() != "psycopg":
        return None
    import psycopg

    words = {**parsed.translate_connect_args(username="user", database="dbname"), **parsed.query}
    try:
        with psycopg.connect(**words, replication="database", autocommit=True) as connection:
            connection.execute("IDENTIFY_SYSTEM")
    except psycopg.Error as error:
        return " ".join(str(error).split()).removeprefix("connection failed: ").rstrip(".")
    return ""
