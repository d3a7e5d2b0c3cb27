"""The audit log as hash chains, with signed checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("audit", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("hash", sa.LargeBinary(), nullable=True))
    op.create_index("uq_audit_client_sequence", "audit", ["client", "sequence"], unique=True)
    op.create_table(
        "audit_checkpoints",
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("client", "sequence", name="pk_audit_checkpoints"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("audit_checkpoints")
    op.drop_index("uq_audit_client_sequence", "audit")
    op.drop_column("audit", "hash")
    op.drop_column("audit", "sequence")
