"""Scores that evaluators gave to predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "scores",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("score", sa.String(128), nullable=False),
        sa.Column("evaluator", sa.String(256), nullable=False),
        sa.Column("prediction", sa.String(256), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("label", sa.String(128), nullable=True),
        sa.PrimaryKeyConstraint(
            "client", "model", "environment", "score", "evaluator", "prediction", name="pk_scores"
        ),
    )
    op.create_index("ix_scores_received", "scores", ["received_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("scores")
