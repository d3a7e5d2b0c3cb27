"""What the delivery lead writes about incidents."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "incident_notes",
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", "started", "at", name="pk_incident_notes"),
        sa.UniqueConstraint("id", name="uq_incident_notes_id"),
    )
    op.create_index("ix_incident_notes_client", "incident_notes", ["client"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("incident_notes")
