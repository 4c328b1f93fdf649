"""The centre's database: migrated to what the program expects, and in nobody's dialect."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from gateway.centre.enrolment.tables import Table, open_database


def test_the_migrations_make_the_tables_of_the_program(tmp_path: Path) -> None:
    """A column that only one of them has fails at a centre, not here."""
    engine = open_database(f"sqlite:///{tmp_path / 'centre.db'}")
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), Table.metadata)
    engine.dispose()

    assert difference == []


def test_it_is_opened_again_as_it_was(tmp_path: Path) -> None:
    """Migrations are run once; only its owner can read the file."""
    path = tmp_path / "centre.db"
    for _ in range(2):
        engine = open_database(f"sqlite:///{path}")
        with engine.connect() as connection:
            versions = connection.execute(sa.text("select * from alembic_version")).all()
        engine.dispose()

    assert len(versions) == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_postgresql_can_have_the_tables() -> None:
    """Every type has its like there."""
    for table in Table.metadata.sorted_tables:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        statement = str(CreateTable(table).compile(dialect=dialect))
        assert "CREATE TABLE" in statement
