"""Which texts may hold personal data or a secret, and of which kinds: most hold nothing, and are not read closely."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from monitor.signals.decodings import MAY_BE_DISGUISED
from monitor.signals.matching import matches_each
from monitor.signals.personal_data.kinds import KINDS, PersonalDataKind

_PREFILTERS = (*(kind.prefilter for kind in KINDS), MAY_BE_DISGUISED)


class Candidate(NamedTuple):
    """A text that may hold something: its row, the kinds that it may have, and whether it may be disguised."""

    row: int
    kinds: Sequence[PersonalDataKind]
    is_disguised: bool


def candidates(folded: pa.StringArray) -> list[Candidate]:
    """Those among folded texts, in order."""
    matches = matches_each(folded, _PREFILTERS)
    rows = np.flatnonzero(matches.any(axis=1))
    return [
        Candidate(row, [kind for kind, may in zip(KINDS, mays, strict=False) if may], mays[-1])
        for row, mays in zip(rows.tolist(), matches[rows].tolist(), strict=True)
    ]
