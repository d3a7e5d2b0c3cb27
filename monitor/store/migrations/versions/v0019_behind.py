"""For how long the records of a source will still be late."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("source_states", sa.Column("behind_seconds", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("source_states", "behind_seconds")
