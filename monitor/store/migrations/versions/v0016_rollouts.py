"""Rollouts and their steps."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _key() -> list[sa.Column[Any]]:
    return [
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
    ]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "rollouts",
        *_key(),
        sa.Column("canary", sa.String(512), nullable=False),
        sa.Column("stable", sa.String(512), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("started_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("client", "model", "environment", "number", name="pk_rollouts"),
    )
    op.create_table(
        "rollout_steps",
        *_key(),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("client", "model", "environment", "number", "step", name="pk_rollout_steps"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("rollout_steps")
    op.drop_table("rollouts")
