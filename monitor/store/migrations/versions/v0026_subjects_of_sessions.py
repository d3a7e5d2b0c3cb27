"""Sessions of people are those of the provider's `sub`; who is signed in by a name alone signs in again."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("DELETE FROM sessions WHERE key_id = ''")
    op.add_column("sessions", sa.Column("issuer", sa.String(512), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("subject", sa.String(256), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    op.drop_column("sessions", "subject")
    op.drop_column("sessions", "issuer")
