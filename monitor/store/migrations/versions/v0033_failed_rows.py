"""Batches of predictions: how many of their rows have an error."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("prediction_batches") as table:
        table.add_column(sa.Column("failed", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("prediction_batches") as table:
        table.drop_column("failed")
