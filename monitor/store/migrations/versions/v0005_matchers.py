"""Matchers of silences are written as they are read: until now quotes and backslashes stood in them as they are."""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AS_WRITTEN = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"', re.DOTALL)
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def upgrade() -> None:
    """Apply. A silence that cannot be read is left as it is: the daemon sets it aside and says so."""
    silences = sa.table("silences", sa.column("id", sa.String), sa.column("matchers", sa.Text))
    connection = op.get_bind()
    for identity, stored in connection.execute(sa.select(silences.c.id, silences.c.matchers)).all():
        try:
            matchers = json.loads(stored)
        except (ValueError, TypeError):
            continue
        if isinstance(matchers, list) and all(isinstance(one, str) for one in matchers):
            escaped = json.dumps([_escaped(one) for one in matchers])
            connection.execute(sa.update(silences).where(silences.c.id == identity).values(matchers=escaped))


def _escaped(matcher: str) -> str:
    match = _AS_WRITTEN.fullmatch(matcher)
    if match is None:
        return matcher
    name, operator, value = match.groups()
    return f'{name}{operator}"{value.translate(_ESCAPED)}"'


def downgrade() -> None:
    """Take back: nothing, the older version reads most of them."""
