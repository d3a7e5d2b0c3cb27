"""How much the answers of a model depend on each feature."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "feature_importance",
        sa.Column("stream", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("learned_at", sa.Float(), nullable=False),
        sa.Column("layout", sa.String(16), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_feature_importance"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("feature_importance")
