"""Monthly documents and the pieces of those that are being received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision = "v0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "documents",
        sa.Column("site_id", sa.String(40), sa.ForeignKey("sites.id"), primary_key=True),
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("province", sa.String(2), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("name", sa.String(150), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("piece_bytes", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("settled_ms", sa.BigInteger),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("faults", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary),
    )
    op.create_index("ix_documents_month", "documents", ["month"])
    op.create_table(
        "document_pieces",
        sa.Column("site_id", sa.String(40), primary_key=True),
        sa.Column("document_id", sa.String(26), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("document_pieces", "documents"):
        op.drop_table(name)
