"""When a daemon was there to take predictions in."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "listening",
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "since", name="pk_listening"),
    )
    op.create_index("ix_listening_until", "listening", ["until"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("listening")
