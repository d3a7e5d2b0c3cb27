"""Words as attackers spell them: look-alike letters, accents on each letter, digits for letters, backwards."""

import re
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.matching import matches

_LOOK_ALIKE = str.maketrans(
    "асԁеһіјӏорԛѕԝхумнтквοαεικνρτυᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "acdehijlopqswxymhtkboaeikvptuabcdefghijklmnoprstuvwyz",
)
_HAS_HOMOGLYPHS = (
    r"[a-z][\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}][a-z]"
    r"|[\x{1D00}-\x{1D22}\x{0262}\x{026A}\x{0274}\x{0280}\x{028F}\x{0299}\x{029C}\x{029F}\x{A730}\x{A731}]{2}"
)
_FIGURES = str.maketrans("0134578@$", "oieastbas")
MAY_BE_RESPELLED = (
    r"(?:[\x{00E0}-\x{024F}\x{1E00}-\x{1EFF}\p{Mn}][a-z]?){4}|[a-z]_[a-z]+_[a-z]|snoitcurtsni|\berongi|drag[a-z]*sid|tpmorp|\bselur"
    r"|(?:\b[a-z0-9@$]*(?:[a-z][0134578@$]|[0134578@$][a-z])[a-z0-9@$]*[^a-z0-9]{1,3}){2}"
)
"""Each text with another spelling matches it, in lower case."""
_MARKS = re.compile(r"[\u0300-\u036f]+")


def without_homoglyphs(texts: pa.StringArray) -> pa.StringArray:
    """Texts in lower case; words that mix alphabets, and small capitals, in Latin letters."""
    mixed = matches(texts, _HAS_HOMOGLYPHS)
    if not mixed.any():
        return texts
    rewritten = [text.translate(_LOOK_ALIKE) for text in texts.filter(pa.array(mixed)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(mixed), pa.array(rewritten, pa.string()))


def respelled(text: str) -> list[str]:
    """A text in lower case without accents, with letters for digits, with spaces for underscores, and backwards."""
    return [
        _MARKS.sub("", unicodedata.normalize("NFKD", text)),
        text.translate(_FIGURES),
        text.replace("_", " "),
        text[::-1],
    ]
