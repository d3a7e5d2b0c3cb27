"""The diagnosis of each episode of an alert."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "diagnoses",
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("diagnosis", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "episode", name="pk_diagnoses"),
    )
    op.create_index("ix_diagnoses_at", "diagnoses", ["at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("diagnoses")
