"""How often the profiles of a stream changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "revisions",
        sa.Column("stream", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_revisions"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("revisions")
