"""Keys with roles, models and addresses; idle sessions; the key that signs sign-ins in progress."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("role", sa.String(16), nullable=False, server_default=""))
        table.add_column(sa.Column("models", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("addresses", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("seen_at", sa.Float(), nullable=False, server_default="0"))
        table.add_column(sa.Column("address", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "signing_keys",
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name="pk_signing_keys"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("signing_keys")
    for name, columns in (
        ("sessions", ("seen_at", "address")),
        ("api_keys", ("role", "models", "addresses")),
    ):
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column)
