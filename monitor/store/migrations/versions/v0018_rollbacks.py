"""Rollbacks, their kill switch, and drills."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "rollbacks",
        *_stream(),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("trigger", sa.String(512), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("executor", sa.String(32), nullable=False),
        sa.Column("other", sa.String(512), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("decided_at", sa.Float(), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=True),
        sa.Column("answered_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("share_before", sa.Float(), nullable=True),
        sa.Column("share_after", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "client", "model", "environment", "version", "trigger", "mode", name="pk_rollbacks"
        ),
        sa.UniqueConstraint("id", name="uq_rollbacks_id"),
    )
    op.create_index("ix_rollbacks_state", "rollbacks", ["state"])
    op.create_table(
        "rollback_stops",
        *_stream(),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("resumed_at", sa.Float(), nullable=True),
        sa.Column("resumed_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("client", "model", "environment", "at", name="pk_rollback_stops"),
    )
    op.create_table(
        "rollback_drills",
        *_stream(),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("executor", sa.String(32), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("client", "model", "environment", "started_at", name="pk_rollback_drills"),
    )


def _stream() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("rollback_drills", "rollback_stops", "rollbacks"):
        op.drop_table(table)
