"""The language of texts: by their stop words, and by their script where that tells it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
_WORDS = {
    "en": """the of and to in is that it for was on are with as be at this have from or by not but what all
    were when we
    there can an your which their if will how about up out them then she many some so these would into has more
    her two him been its who did get may than you they his had do does our could should he i my me""",
    "de": """der die das und ist nicht ein eine einen einem einer zu den mit von auf für im dem des sich auch
    es an als
    ich sie wir ihr er werden aus bei nach wird sind noch wie über so zum zur haben nur oder aber vor bis
    mehr durch man
    war wenn können kann hat ihre ihren ihnen bitte dass daß diese dieser dieses mir uns unser keine kein was""",
    "fr": """le la les des du un une et est dans que qui pour pas sur plus par avec ce il elle nous vous au aux
    ne se son
    sa ses ou mais comme leur être cette sont été ont avait je à été très aussi bien fait votre vos notre nos si tout
    peut même ces donc d'un d'une c'est n'est qu'il l'on mon quel quelle où""",
    "es": """el la los las de que y en un una es por con para del se no su al lo como más pero sus le ya o este sí
    porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno
    les ni contra
    otros ese eso ante ellos esto mí antes algunos qué puede está son fue ser tiene usted cómo mi""",
    "it": """il lo la gli le di che è un una per non con del della dei delle nel nella sono si da al alla più
    anche come
    ma se ha questo questa ci quando dove essere o molto loro suo sua i e ho hanno stato dal dalla sul sulla""",
    "nl": """de het een en van is dat niet in op te zijn voor met die aan er ook als maar om bij dan nog naar
    door over
    ze wij hij zij uit kan wordt heeft geen worden deze dit wat hoe zo wel veel u je we of tot meer""",
    "pt": """o a os as de que e do da em um uma para com não por mais dos das se na no como mas ao ele ela seu sua ou
    quando muito nos já está eu também só pelo pela até isso entre depois sem mesmo aos seus quem nas você são foi ser
    tem às é à""",
}
_BY_LANGUAGE = {language: frozenset(words.split()) for language, words in _WORDS.items()}
STOP_WORDS = frozenset().union(*_BY_LANGUAGE.values())
"""The stop words of all languages."""
_PLACES = {word: place for place, word in enumerate(sorted(STOP_WORDS))}
_FLAGS = np.array([[word in own for own in _BY_LANGUAGE.values()] for word in (*_PLACES, None)])
"""For each stop word, which languages have it; a last row for all other words."""
SCRIPTS = {
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
    "Japanese": r"[\p{Hiragana}\p{Katakana}]",
    "Korean": r"\p{Hangul}",
    "Chinese": r"\p{Han}",
}
"""Scripts that tell a language, or a group of languages. Japanese is looked for before Chinese, whose signs it has."""
UNKNOWN = -1
_FEWEST, _MARGIN = 3, 1.4


def stop_words_of(words: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which languages have a word as a stop word: words by languages."""
    places = np.fromiter((_PLACES.get(word, -1) for word in words), np.int64, len(words))
    flags: npt.NDArray[np.bool_] = _FLAGS[places]
    return flags


def decided(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The language of each row by its counts of stop words (rows by languages), `UNKNOWN` where two are close."""
    order = np.sort(counts, axis=1)
    best, second = order[:, -1], order[:, -2]
    is_clear = (best >= _FEWEST) & (best >= _MARGIN * second)
    return np.where(is_clear, counts.argmax(axis=1), UNKNOWN)
