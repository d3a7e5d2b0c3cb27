"""Hashes of system prompts and of canaries."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "system_prompts",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("shingles", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("client", "model", "version", name="pk_system_prompts"),
    )
    op.create_table(
        "canaries",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("client", "digest", name="pk_canaries"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("canaries")
    op.drop_table("system_prompts")
