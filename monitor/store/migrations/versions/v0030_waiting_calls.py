"""Calls of language models that wait for their texts, and texts that wait for their call."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "waiting_calls",
        sa.Column("call", sa.String(40), nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call", "part", name="pk_waiting_calls"),
    )
    op.create_index("ix_waiting_calls_received", "waiting_calls", ["received_at"])
    op.create_index("ix_waiting_calls_client", "waiting_calls", ["client", "size"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("waiting_calls")
