"""Sessions of people have the groups that gave them their role; who is signed in without any signs in again."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("DELETE FROM sessions WHERE key_id = ''")
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("groups", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("sessions") as table:
        table.drop_column("groups")
