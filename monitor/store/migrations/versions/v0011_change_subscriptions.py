"""Who is told of changes on a client's page by mail."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "change_subscriptions",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("confirmed_at", sa.Float(), nullable=True),
        sa.Column("left_at", sa.Float(), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("told_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("client", "address", name="pk_change_subscriptions"),
        sa.UniqueConstraint("token", name="uq_change_subscriptions_token"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("change_subscriptions")
