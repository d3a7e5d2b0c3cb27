"""The name of a drifting column may be as long as intake takes it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("drift_verdicts") as table:
        table.alter_column(
            "column", existing_type=sa.String(256), type_=sa.String(600), existing_nullable=False
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("drift_verdicts") as table:
        table.alter_column(
            "column", existing_type=sa.String(600), type_=sa.String(256), existing_nullable=False
        )
