"""Spans of agents that wait until a run is complete."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "waiting_runs",
        sa.Column("trace", sa.String(40), nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float()),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trace", "part", name="pk_waiting_runs"),
    )
    op.create_index("ix_waiting_runs_due", "waiting_runs", ["due_at"])
    op.create_index("ix_waiting_runs_received", "waiting_runs", ["received_at"])
    op.create_index("ix_waiting_runs_client", "waiting_runs", ["client", "size"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("waiting_runs")
