"""Sites: what a site has bundled, and what sites have delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_WINDOW = (("stream", sa.BigInteger()), ("seconds", sa.Integer()), ("start", sa.BigInteger()))


def _key() -> list[sa.Column[object]]:
    return [sa.Column(name, kind, autoincrement=False, nullable=False) for name, kind in _WINDOW]


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("streams") as table:
        table.add_column(sa.Column("site", sa.String(128), nullable=False, server_default=""))
    op.create_table(
        "site_state",
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", name="pk_site_state"),
    )
    op.create_table(
        "site_changes",
        *_key(),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seconds", "start", name="pk_site_changes"),
    )
    op.create_table(
        "site_bases",
        *_key(),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("parent", sa.String(32), nullable=False),
        sa.Column("layout", sa.String(16), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seconds", "start", "epoch", name="pk_site_bases"),
    )
    op.create_table(
        "site_bundles",
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("client", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=True),
        sa.Column("is_judging", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "epoch", "seq", name="pk_site_bundles"),
    )
    op.create_table(
        "site_windows",
        *_key(),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("layout", sa.String(16), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("bases", sa.LargeBinary(), nullable=False),
        sa.Column("is_merged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seconds", "start", "site", "epoch", name="pk_site_windows"),
    )
    op.create_index("ix_site_windows_waiting", "site_windows", ["stream", "layout", "is_merged"])


def downgrade() -> None:
    """Take back."""
    for name in ("site_windows", "site_bundles", "site_bases", "site_changes", "site_state"):
        op.drop_table(name)
    with op.batch_alter_table("streams") as table:
        table.drop_column("site")
