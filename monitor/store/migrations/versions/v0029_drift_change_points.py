"""When a drift began: the bounds of its change point."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("drift_incidents") as table:
        table.add_column(sa.Column("earliest", sa.Float(), nullable=True))
        table.add_column(sa.Column("latest", sa.Float(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("drift_incidents") as table:
        table.drop_column("latest")
        table.drop_column("earliest")
