"""Requests and responses that wait for their other half."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "half_calls",
        sa.Column("source", sa.String(128), nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("side", sa.String(8), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "call", "side", name="pk_half_calls"),
    )
    op.create_index("ix_half_calls_received", "half_calls", ["source", "received_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("half_calls")
