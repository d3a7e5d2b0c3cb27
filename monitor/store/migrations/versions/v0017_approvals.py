"""Approvals of releases: who approved what, and what they saw."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "release_approvals",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("environment", sa.String(32), nullable=False),
        sa.Column("version", sa.String(512), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(256), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("answers", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_release_approvals"),
    )
    op.create_index("ix_release_approvals_client", "release_approvals", ["client"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("release_approvals")
