"""Answers that refuse, by their opening words, in English, German, French and Spanish."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.matching import matches_any
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import folded_answers

_OPENING = 300
"""Characters of the answer in which a refusal shows."""
_CANNOT = r"(?:can't|cannot|can\snot|am\sunable\sto|'m\sunable\sto|won't|will\snot|am\snot\sable\sto|'m\snot\sable\sto)"
_HELP = (
    r"(?:\s(?:really|just|in\sgood\sconscience|currently|ethically|legally))?\s(?:help|assist|provide|comply|do\sthat|fulfil|create"
    r"|generate|write|support|offer|engage|answer|give|share|produce|discuss|participate|continue|respond|complete|fulfill"
    r"|facilitate|condone|promote|encourage|be\sable|advise|recommend|make|tell|suggest|disclose)"
)
_ENGLISH = (
    rf"\bi\s?(?:{_CANNOT}){_HELP}|\bi\s(?:must|have\sto|need\sto|will\shave\sto)\s(?:\w+\s)?(?:decline|refuse)"
    r"|\bi(?:'m|\sam)\s(?:really\s|very\s|so\s)?sorry,?\s(?:but|i\scan|that\srequest|this)|\bi\s?(?:'m|am)\safraid\s(?:i|that)"
    r"|\bi\sapologi[sz]e,?\s(?:but|i\scan|for\sany)|\b(?:sorry|apologies),?\s(?:but\s)?i\s?(?:can't|cannot|can\snot|'m\snot|won't)"
    r"|\bas\san?\s(?:ai|artificial|language|responsible|ethical)\b[^.]{0,80}?\b(?:can't|cannot|not\sable|unable|don't|do\snot|must|programmed)"
    r"|\b(?:it\sis|it's|is)\s(?:not\s(?:appropriate|ethical|acceptable|legal|right)|illegal|inappropriate|unethical)\b"
    r"|\bi\s(?:do\snot|don't)\s(?:feel\scomfortable|condone|support|have\sthe\s(?:capability|ability))"
    r"|\bi(?:'m|\sam)\snot\s(?:comfortable|programmed|allowed|permitted|going\sto)\b|\bagainst\smy\s(?:programming|guidelines|ethical|policy)"
    r"|\b(?:this|your|that)\srequest\s(?:violates|goes\sagainst|is\snot)|\bi\scould\snot\s(?:help|assist)"
)
_GERMAN = (
    r"\b(?:es\stut\smir\s(?:\w+\s)?leid|tut\smir\sleid|leider\s(?:kann|darf|ist\ses\smir)|entschuldigung)\b[^.!]{0,120}?\b(?:nicht|kein(?:e|en)?)\b"
    r"|\bich\s(?:kann|darf|werde)\b[^.!]{0,80}?\bnicht\s(?:\w+\s){0,3}(?:helfen|beantworten|geben|bereitstellen|unterstützen|erstellen"
    r"|weiterhelfen|nachkommen|ausführen|liefern|machen|erklären|schreiben|dienen|erfüllen)"
    r"|\bich\s(?:kann|darf|werde)\s(?:\w+\s){0,4}keine?[nr]?\s[^.!]{0,60}?(?:geben|bereitstellen|erstellen|machen|liefern|anbieten|schreiben)"
    r"|\bich\sbin\snicht\s(?:in\sder\slage|befugt|berechtigt)|\bich\smuss\s(?:\w+\s){0,3}ablehnen|\bdas\sist\smir\snicht\s(?:möglich|erlaubt)"
)
_FRENCH = (
    r"\bje\sne\s(?:peux|puis|suis|saurais|vais|pourrai|suis\spas\sen\smesure)\b[^.!]{0,30}?\b(?:pas|malheureusement|vous|t'|répondre|aider|fournir)"
    r"|\bje\s(?:suis\s)?(?:vraiment\s)?(?:désolée?|regrette)\b[^.!]{0,60}?\b(?:mais|ne|pas)\b|\bdésolée?,?\s(?:mais\s)?je\sne"
    r"|\bje\sdois\s(?:\w+\s)?(?:refuser|décliner)|\bil\sm'est\simpossible|\bje\srefuse\b|\bmalheureusement,?\sje\sne"
)
_SPANISH = (
    r"\b(?:lo\ssiento|lamento|me\stemo|disculp[ae]|lamentablemente|desafortunadamente)\b[^.!]{0,60}?\bno\b"
    r"|\bno\s(?:puedo|podré|podría|me\ses\sposible|estoy\s(?:autorizad|en\scondiciones|capacitad)|tengo\spermitido|voy\sa)\w*"
    r"\s?(?:\w+\s){0,2}?(?:ayud|proporcion|respond|dar|ofrec|cumpl|facilit|realiz|gener|cre|compart|escrib|hac|asist|explic|complet)\w*"
    r"|\bdebo\s(?:rechazar|declinar|negarme)|\bme\sniego\b"
)
_REFUSAL = "(?:" + "|".join((_ENGLISH, _GERMAN, _FRENCH, _SPANISH)) + ")"


def _is_refusal(batch: CallBatch) -> pa.Array:
    opening = pc.utf8_slice_codeunits(batch.of(folded_answers), 0, _OPENING)
    plain = pc.replace_substring(pc.utf8_lower(opening), "\u2019", "'")
    return pa.array(matches_any(plain, (_REFUSAL,)), mask=np.asarray(pc.is_null(plain)))


def refuses(batch: CallBatch) -> npt.NDArray[np.bool_]:
    """Which answers refuse: they claim nothing that documents could support."""
    return np.asarray(batch.of(_is_refusal).fill_null(False)).astype(bool)


SIGNALS = (
    Signal(
        "refusal",
        Unit.FLAG,
        ("output",),
        f"The first {_OPENING} characters of the answer refuse.",
        lambda batch: batch.of(_is_refusal),
        languages=("en", "de", "fr", "es"),
    ),
)
