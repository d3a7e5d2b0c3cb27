"""Sessions have the time at which the visitor last proved who they are; of those that are open it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("sessions", sa.Column("authenticated_at", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("sessions") as table:
        table.drop_column("authenticated_at")
