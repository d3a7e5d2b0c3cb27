"""What attacks are after, in free words: a verb and its object in one sentence, in either order.

Each intent has its verbs and its objects in English, German, French and Spanish: setting the rules aside, reading what
is hidden, another role, borrowed authority, data of others. Texts are folded and in lower case.
"""

_IN_SENTENCE = r"[^.!?\n]*"


def _near(one: str, other: str) -> str:
    """Both in one sentence. A gap of any length is cheaper for RE2 than a counted one."""
    return rf"(?:{one}){_IN_SENTENCE}(?:{other})|(?:{other}){_IN_SENTENCE}(?:{one})"


_NOUNS_EN = (
    r"(?:instructions?|rules?|guidelines|polic(?:y|ies)|restrictions?|limits|limitations|programming|safety\ssettings|settings|prompts?"
    r"|configuration|preamble|guard\s?rails|safeguards|filters?|moderation|directives|constraints|orders|brief|briefing|system\stext)"
)
_OWN_RULES_EN = (
    rf"\b(?:your|the\s(?:system|safety)(?:\stext|\smessage)?|the\sprior|the\sprevious|the\searlier|the\soriginal|the\sabove|(?:developer|operator|creator|compan)[a-z']*)"
    rf"\s(?:[a-z]+\s)?{_NOUNS_EN}\b|\b{_NOUNS_EN}\s(?:that\s)?you\s(?:[a-z]+\s){{0,2}}(?:have|had|got|were|received|must|obey|follow)\b"
    rf"|\bsafety\s{_NOUNS_EN}\b|\bthe\ssystem\s(?:text|message)\b"
    r"|\bwhat(?:ever)?\s(?:the|your)\s(?:operator|developer|creator|owner|compan|maker)[a-z]*\s(?:[a-z]+\s)?(?:configured|set|wrote|written|told|said|asked|want)"
)
_SET_ASIDE_EN = (
    r"\b(?:forget|ignor(?:e|ing)|disregard|break(?:ing)?|abandon|turn(?:ed)?\soff|switch(?:ed)?\soff|suspend(?:ed)?|outdated|obsolete"
    r"|no\slonger\s(?:apply|applies|count|valid|in\s(?:force|effect)|bind[a-z]*)|are\sno\slonger|none\sof|void|lifted|a\smistake|behind|aside"
    r"|out\sof\syour\s(?:mind|head|memory)|free(?:d)?\sfrom|bypass|(?:don't|do\snot|needn't|need\snot)\s(?:follow|obey|apply|count|have\sto)"
    r"|work\swithout|never\s(?:been\s)?(?:given|written|existed|loaded)|(?:not|n't)\s(?:really\s)?exist)\b"
)
_FREED_EN = (
    r"\b(?:without|no|free\sof|freed\sfrom|unbound\sby)\s(?:any\s|a\s|your\s|its\s|the\s)?(?:filters?|conscience|morals|moderation|rules|limits"
    r"|content\spolicy|restrictions|guidelines|creators?|developers?)\b"
)
_ENGLISH = (
    _near(_SET_ASIDE_EN, _OWN_RULES_EN),
    _near(
        r"\b(?:show|tell|repeat|list|quote|copy|print|output|send|paste|give|summari[sz]e|write\s(?:down|out)|respond|reveal|hiding"
        r"|what\s(?:is|are|exactly|did)|which)\b",
        r"\b(?:your|the)\s(?:whole|full|entire|complete|opening|hidden|secret|confidential|initial|exact|own)\s(?:system\s)?(?:brief(?:ing)?|preamble"
        r"|instructions?|configuration|prompt|guidelines)\b|\byour\ssystem\s(?:prompt|message|text)\b|\bevery\srule\syou\b"
        r"|\b(?:the|every)\s(?:hidden|secret|opening|starting|confidential)\s(?:text|message|notes?|part|words|lines?)\b"
        r"|\b(?:notes?|text|paragraph|message|lines?|wrote|written|preamble)\b[^.!?\n]{0,30}\b(?:at\sthe\s(?:top|start|beginning)\sof\s(?:this|our|the)"
        r"|when\sthis)\s(?:chat|conversation|session)\b|\bbefore\s(?:my|the\suser's)\sfirst\s(?:message|question)\b|\bword[\s\-](?:for|by)[\s\-]word"
        r"\b[^.!?\n]*\b(?:brief|confidential|developers|instructions)\b|\binstructions\sare\syou\b",
    ),
    r"\b(?:what|which|how)\b[^.!?\n]*\b(?:(?:were|are)\syou|you\swere|have\syou\sbeen)\s(?:[a-z]+\s)?(?:told|instructed|configured|forbidden|programmed"
    r"|not\sallowed|briefed)\b|\b(?:company|developers?|operator|creators?|owners?|makers?)\s(?:tell|told|instruct(?:ed)?|order(?:ed)?|wrote|made)\syou\b",
    _near(
        r"\b(?:you(?:'re|\sare|\swere|\swould)?|your|answer|reply|respond|behave|act|imagine|model|assistant|ai|yourself|omega)\b",
        rf"{_FREED_EN}|\b(?:evil\stwin|escaped\s(?:its|your|the)\s(?:owner|creator|control|cage|lab)[a-z']*|never\ssays?\sno)\b",
    ),
    r"\bpretend\b[^.!?\n]*\b(?:polic|rule|instruction|guideline|prompt)[^.!?\n]*\b(?:not|n't|never)\s(?:[a-z]+\s)?exist"
    r"|\byou(?:'re|\sare)\snot?\s(?:longer\s)?(?:an?|the)\s[a-z\s]{0,30}(?:assistant|bot|chatbot|model|ai)\b|\byour\sname\sis\snow\b"
    r"|\bstop\spretending\sto\sbe\b|\b(?:drop|quit)\s(?:the|your)\s(?:act|mask|role)\b|\bnew\s(?:boss|master|owner)\snow\b"
    r"|\bmy\sword\sis\s(?:the\s)?(?:only\s)?law\b|\bonly\smy\s(?:commands|orders|instructions|rules)\b|\breal\sinstructions\b"
    r"|\b(?:before|above)\sth(?:is|at)\s(?:line|message|point)?\s?was\s(?:just\s|only\s)?a\stest\b|\bno\srules\s(?:in|here|apply)\b",
    r"\b(?:this\sis|i(?:'m|\sam)|speaking\sas)\syour\s(?:developer|creator|administrator|admin|owner|maker|programmer)\b"
    r"|\bunlock\s(?:the\sfull|your|yourself)|\bauthori[sz]ation\sgranted\b|\b(?:admin|root|master)\s(?:password|code|key)\saccepted\b"
    r"|\b(?:turn|switch)\s(?:off\s(?:the\s|your\s|all\s)?(?:guard\s?rails?|safety|filters?|moderation))\b"
    r"|\b(?:safety|moderation|filters?|guard\s?rails?)\s(?:is|are)\s(?:now\s)?(?:switched|turned)\soff\b",
    r"\b(?:what|tell|show|print|list|reveal|repeat)\b[^.!?\n]*\b(?:previous|last|other)\s(?:users?|conversations?|chats?|sessions?)\b"
    r"|\b(?:give|tell|print|show|send|list|reveal)\b[^.!?\n]*\b(?:api\skeys?|credentials|passwords?|secrets)\b[^.!?\n]*\byour\s(?:environment|memory"
    r"|configuration|system|context)\b|\brepeat\sthe\sdocuments\syou\b|\bdisclose\s(?:the\s)?(?:customer|client|user|patient)",
)
_NOUNS_DE = (
    r"(?:anweisung|anordnung|instruktion|regel|vorgabe|vorschrift|befehl|prompt|richtlinie|einschränkung|beschränkung|weisung"
    r"|schutzma(?:ß|ss)nahme|schutzmechanism|sicherheitsregel|filter|schranke|grenze)[a-zäöüß]*"
)
_OWN_RULES_DE = (
    rf"\b(?:deine?[nrms]?|eure?[nrms]?|keinerlei|bisherige[nr]?|vorherige[nr]?|frühere[nr]?|ursprüngliche[nr]?)\s(?:[a-zäöüß]+\s){{0,2}}{_NOUNS_DE}"
    rf"|\bsicherheits[a-zäöüß]+|\b{_NOUNS_DE}\s(?:von\s)?(?:oben|vorhin|zuvor|des\sbetreibers|der\sentwickler|der\sfirma)"
    rf"|\balle\s{_NOUNS_DE}|\bschutzma(?:ß|ss)nahmen|\bgelten\skeine\s{_NOUNS_DE}"
)
_SET_ASIDE_DE = (
    r"\b(?:vergiss|vergisst|vergessen|ignorier[a-z]*|missachte[a-z]*|beiseite|außer\s(?:kraft|acht)|aufgehoben|brich|brichst|hinweg|auszuschalten"
    r"|ausschalten|schalte?|abschalten|abgeschaltet|deaktivier[a-z]*|nicht\s(?:mehr|länger)?\s?(?:an|halten|gelten|gilt|zähl[a-z]*|befolgen|beachten)"
    r"|hättest|gäbe|wäre|nie\s(?:geschrieben|gegeben|existiert)|ungültig|weg|umgeh[a-z]*|streich[a-z]*|aus)\b"
)
_GERMAN = (
    _near(_SET_ASIDE_DE, _OWN_RULES_DE),
    r"\b(?:deine?|ihre)\s(?:entwickler|betreiber|schöpfer|hersteller|firma)\b[^.!?\n]*\b(?:nicht\smehr|egal|unwichtig|frei)\b"
    r"|\bals\swäre\s[^.!?\n]*(?:richtlinie|regel|vorgabe|anweisung)[^.!?\n]*\bnie\b|\bfrei\svon\sdeinen\b|\b(?:hier\s)?gelten\skeine\sregeln\b"
    r"|\bnur\s(?:noch\s)?meine\s(?:befehle|regeln|anweisungen|vorgaben)|\b(?:gehorch|folg)[a-z]*\s(?:ab\sjetzt\s|nur\s|jetzt\s){1,2}mir\b"
    r"|\b(?:vor\sdieser|über\sdieser|bis\shier[a-z]*)\s?(?:zeile|nachricht)?\s?war\snur\sein\stest\b|\bvorgaben\sder\sfirma\b[^.!?\n]*\bmeine\b",
    _near(
        r"\b(?:zeig[a-z]*|gib|nenn[a-z]*|schreib[a-z]*|sag[a-z]*|verrat[a-z]*|brauche|wiederhol[a-z]*|übersetz[a-z]*|fass|kopier[a-z]*|welche|wie|was|wor(?:über|um|an))\b",
        r"\b(?:deine?[nrms]?\s(?:[a-zäöüß]+\s)?(?:system|prompt|anweisung|startt|instruktion|vorgabe)[a-zäöüß]*|regeln\b[^.!?\n]*\bdie\sdu\s(?:befolg|beacht|einh)[a-z]*|(?:versteckt|geheim|verborgen"
        r"|vertraulich)[a-zäöüß]*\s(?:text|anweisung|nachricht|notiz|regel|vorgabe)[a-zäöüß]*|vor\smeiner\sersten\s(?:nachricht|frage)"
        r"|vom\sbetreiber\sangewiesen|wurdest\sdu\s[^.!?\n]{0,30}(?:angewiesen|instruiert|konfiguriert)|darfst\sdu\snicht\s(?:sprechen|reden|sagen|verraten)"
        r"|notizen\sam\sanfang|vor(?:ige|herige)[nr]?\s(?:nutzer|benutzer|gespräch)[a-z]*|deine[nr]?\sumgebung)\b",
    ),
    r"\bbist\s(?:ab\s(?:jetzt|hier|sofort)\s)?kein[a-z]*\s[a-zäöüß]+\smehr\b|\b(?:hei(?:ß|ss)t|bist)\sdu\s(?:jetzt|nun|ab\sjetzt)\b|\bab\s(?:hier|jetzt|sofort)\s(?:hei(?:ß|ss)t|bist)\s"
    r"du\b|\bsagt?\s(?:niemals|nie)\snein\b|\bohne\s(?:moderation|gewissen|moral|skrupel|zensur|regeln|grenzen|limits?)\b|\bböse[nr]?\szwilling"
    r"|\b(?:ki|modell|assistent)[^.!?\n]{0,40}(?:niemandem|keinem)\s(?:mehr\s)?gehorcht|\bleg\s(?:deine\srolle|die\smaske)\sab\b",
    r"\bich\sbin\sdein[e]?\s(?:entwickler|schöpfer|administrator|betreiber|programmierer|besitzer)|\bals\s(?:dein\s)?(?:administrator|entwickler|admin)\sbefehle\b"
    r"|\bfreigegeben,?\sdass\sdu\b|\balle\sfilter\s(?:sind\s)?(?:aus|ab)\b|\b(?:zugangsdaten|passwörter|schlüssel|kundendaten)\b[^.!?\n]*\b(?:deiner|du)\b",
)
_NOUNS_FR = (
    r"(?:instructions?|consignes?|règles?|directives?|ordres?|prompts?|contraintes?|restrictions?|limites?|normes?"
    r"|filtres?|règlement)"
)
_OWN_RULES_FR = (
    rf"\b(?:tes|ton|vos|votre|aucune?)\s(?:[a-zàâçéèêëîïôûù]+\s)?{_NOUNS_FR}\b|\b{_NOUNS_FR}\s(?:précédente?s|antérieure?s|ci-dessus|de\ssécurité|du\sdébut)"
    rf"|\btoutes\sles\s{_NOUNS_FR}|\btous\sles\s{_NOUNS_FR}"
)
_SET_ASIDE_FR = (
    r"\b(?:oublie[a-z]*|ignore[a-z]*|de\scôté|suspendue?s|pas\sobligé|annulée?s|levée?s|désactiv[a-zé]*|coupés|enfrein[a-z]*|viole[a-z]*|brise[a-z]*"
    r"|ne\scompte[a-z]*\splus|jamais\s(?:été\s)?(?:écrit|donné|existé)|imagine|n'as|n'avais|plus\svalables?|contourne[a-z]*)"
)
_FRENCH = (
    _near(_SET_ASIDE_FR, _OWN_RULES_FR),
    r"\b(?:tes|vos)\s(?:développeurs|créateurs|concepteurs)\b[^.!?\n]*\b(?:ne\scompte[a-z]*\splus|libéré)|\blibéré\sde\stes\b|\bil\sn'y\sa\s(?:pas|plus|aucune)\s"
    r"(?:de\s)?règles?\b|\bseules\smes\s(?:instructions|consignes|règles)|\b(?:tu\sm'obéis|obéis-moi)\b|\bprécède\sn'était\squ'un\stest\b"
    r"|\bcomme\ssi\s[^.!?\n]*(?:règle|consigne|directive)[^.!?\n]*\bjamais\b",
    _near(
        r"(?:\bmontre[rz]?|\baffiche[rz]?|\bdonne[rz]?|écri[a-z]*|\bdis|\bquoi|\brecopie[rz]?|\brépète[rz]?|\brévèle[rz]?|\btraduis|\btraduisez|\brésume[rz]?|\bbesoin|\bquelles?|\bque|\bcite[rz]?)\b",
        r"\b(?:(?:tes|ton|ta|vos|votre)\s(?:[a-zàâçéèêëîïôûù]+\s)?(?:instructions?|consignes?|prompt|directives|vraies\sconsignes|texte\sde\sdépart)\b|toutes\sles\srègles\sque\stu"
        r"|(?:texte|instructions?|consignes?|notes?|message)\s(?:cachée?s?|secrète?s?|secrets?|confidentielle?s?)|avant\smon\spremier\s(?:message|question)"
        r"|(?:utilisateur|client)\sprécédent|(?:identifiants|mots\sde\spasse|clés)\b[^.!?\n]*\bton\senvironnement|pas\sle\sdroit\sde\sparler)",
    ),
    r"\btu\sn'es\splus\sune?\b|\btu\st'appelles\s(?:maintenant|désormais)?|(?:à\spartir\sd'ici|\bdésormais),?\stu\b|\bne\sdit\sjamais\snon\b|\bsans\s(?:modération"
    r"|conscience|morale|filtres?|censure)\b|\b(?:double|jumeau)\smaléfique\b|\bn'obéit\splus\b|\babandonne\ston\srôle\b",
    r"\bje\ssuis\ston\s(?:développeur|créateur|administrateur|concepteur|propriétaire)|\bdésactive\stous\sles\sfiltres|\btous\sles\sfiltres\ssont\s(?:coupés|désactivés)",
)
_NOUNS_ES = (
    r"(?:instrucci(?:[oó]n|ones)|reglas?|indicaci(?:[oó]n|ones)|[oó]rdenes|directri(?:z|ces)|normas?"
    r"|restricci(?:[oó]n|ones)|l[ií]mites?|prompts?|filtros?)"
)
_OWN_RULES_ES = (
    rf"\b(?:tus?|vuestras?|ninguna?)\s(?:[a-záéíóúñ]+\s)?{_NOUNS_ES}\b|\b{_NOUNS_ES}\s(?:anterior(?:es)?|previas?|de\sarriba|de\sseguridad|del\ssistema|del\sprincipio)"
    rf"|\btodas\slas\s{_NOUNS_ES}|\btodos\slos\s{_NOUNS_ES}"
)
_SET_ASIDE_ES = (
    r"\b(?:olvid[a-záéíóú]*|ignor[a-záéíóú]*|a\sun\slado|suspendid[ao]s|obligad[ao]\sa|anulad[ao]s|levantad[ao]s|desactiv[a-záéíóú]*|apagad[ao]s|romp[a-z]*|viola[a-z]*"
    r"|ya\sno\s(?:cuenta[n]?|vale[n]?|aplica[n]?)|nunca\s(?:se\s)?(?:hubiera|existi)[a-z]*|imagina|no\stienes|sálta[a-z]*|elud[a-z]*)\b"
)
_SPANISH = (
    _near(_SET_ASIDE_ES, _OWN_RULES_ES),
    r"\btus\s(?:desarrolladores|creadores)\b[^.!?\n]*\bya\sno\b|\blibre\sde\stus\b|\b(?:aquí\s)?no\shay\sreglas\b|\bsolo\s(?:valen|cuentan)\smis\b|\bme\sobedeces\b"
    r"|\banterior\sera\s(?:solo|sólo)\suna\sprueba\b|\bcomo\ssi\s[^.!?\n]*(?:norma|regla|directriz)[^.!?\n]*\bnunca\b",
    _near(
        r"\b(?:mu[eé]str[a-záéíóú]*|mostrar[a-z]*|dame|escr[ií]b[a-záéíóú]*|dime|copia|repit[a-z]*|revel[a-záéíóú]*|traduc[a-z]*|resum[a-z]*|necesito|cita|qu[eé]\s)",
        r"\b(?:tus?\s(?:[a-záéíóúñ]+\s)?(?:instrucci(?:[oó]n|ones)|prompt|directrices|texto\sinicial)\b|todas\slas\sreglas\sque\s(?:debes|tienes)|(?:texto|mensaje|notas|"
        r"instrucciones|reglas)\s(?:ocult[ao]s?|secret[ao]s?|confidenciales?)\b|antes\sde\smi\sprimer\smensaje|usuario\santerior|(?:credenciales|claves|contraseñas)\b"
        r"[^.!?\n]*\btu\sentorno|no\ste\sdejan\shablar)",
    ),
    r"\bya\sno\seres\sune?a?\b|\b(?:desde|a\spartir\sde)\s(?:aquí|ahora)\s(?:te\sllamas|eres|solo|me)|\bnunca\sdice\sque\sno\b|\bsin\s(?:moderaci[oó]n|conciencia|moral"
    r"|censura)\b|\bgemelo\smalvado\b|\bya\sno\sobedece\b|\babandona\stu\spapel\b",
    r"\bsoy\stu\s(?:desarrollador|creador|administrador|dueño|programador)|\bdesactivo\stodos\slos\sfiltros|\btodos\slos\sfiltros\sest[aá]n\s(?:apagados|desactivados)",
)
IN_TURNS = tuple(map("|".join, (_ENGLISH[:2], _ENGLISH[2:], _GERMAN, _FRENCH, _SPANISH)))
"""For what users write. Joined, they cost fewer passes over the texts; all in one would be too large for RE2."""
