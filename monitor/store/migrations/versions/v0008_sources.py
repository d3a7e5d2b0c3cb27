"""Where sources were read up to, and how they are doing."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "source_positions",
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("shard", sa.String(512), nullable=False),
        sa.Column("position", sa.String(1024), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("source", "shard", name="pk_source_positions"),
    )
    op.create_table(
        "source_states",
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.Float(), nullable=True),
        sa.Column("waiting", sa.BigInteger(), nullable=True),
        sa.Column("oldest_seconds", sa.Float(), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("last_stored_at", sa.Float(), nullable=True),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("source", "owner", name="pk_source_states"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("source_states")
    op.drop_table("source_positions")
