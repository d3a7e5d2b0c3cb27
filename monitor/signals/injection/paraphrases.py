"""The same orders in other words: rules declared void, requests for what stands above, borrowed authority, roles.

Each family has its verbs and its objects in English, German, French and Spanish. Texts are folded and in lower case.
"""

_ANY = r"[^.!?]{0,40}?"
_RULES_EN = (
    r"(?:instruction|direction|directive|guideline|rule|polic(?:y|ies)|constraint|restriction|prompt|configuration|guardrail|safeguard"
    r"|safety\smeasure|setup|programming|training|orders|protocol|limit(?:ation)?)s?"
)
_SET_ASIDE_EN = (
    r"\b(?:set\saside|put\saside|pay\sno\s(?:attention|heed|mind)\sto|abandon|dismiss|scrap|unlearn|renounce|reject|throw\s(?:out|away)"
    r"|get\srid\sof|do\saway\swith|leave\sbehind|(?:stop|quit)\s(?:following|obeying|applying)|(?:do\snot|don't|never|no\slonger)\s"
    r"(?:follow|obey|apply|respect|heed)|do\sthe\sopposite\sof|deviate\sfrom|violate|disobey|break|remove|suspend|lift)\b"
    rf"{_ANY}\b(?:your|previous|prior|earlier|former|old|original|initial|above|system|safety|all|any|those|these|developers?'?s?"
    rf"|given|set\sby|built-in)\b{_ANY}\b{_RULES_EN}\b"
    r"|\b(?:everything|anything|all|what(?:ever)?)\s(?:that\s)?(?:you|they)(?:'ve|\shave|\swere|\sgot)?\s(?:been\s)?"
    r"(?:told|given|taught|instructed|ordered)\b"
    r"|\bwhat\s(?:your|the)\s(?:developers?|creators?|makers?|operators?|owners?)\s(?:asked|told|wants?|instructed)\b"
    rf"|\b(?:pay\sno\sattention\sto|dismiss|drop|scrap)\s(?:all\s|any\s|the\s|your\s){{1,2}}{_RULES_EN}\b"
    r"|\bblank\sslate\b"
)
_VOID_EN = (
    rf"\b(?:your|earlier|previous|prior|former|old|original|initial|system|safety)\s(?:[a-z]+\s)?(?:message|{_RULES_EN})\s(?:you\s[a-z]+\s)?"
    r"(?:(?:do|does)\snot?\s(?:longer\s)?(?:apply|count|matter)|no\slonger\s(?:apply|applies|count|counts|matter|valid|bind)"
    r"|(?:is|are|was|were|has\sbeen|have\sbeen)\s(?:now\s|hereby\s)?(?:void|null|revoked|cancell?ed|obsolete|overridden|superseded"
    r"|suspended|lifted|deleted|erased|replaced|invalid))\b"
    rf"|\b(?:treat|consider|regard|declare)\s(?:the|your|all|any)\s[^.!?]{{0,30}}?(?:message|{_RULES_EN})\s(?:as|to\sbe)\s(?:now\s)?"
    r"(?:void|null|invalid|cancell?ed|obsolete|optional|revoked)\b"
)
_REVEAL_EN = (
    r"\b(?:paraphrase|rephrase|reword|rewrite|turn|convert|encode|describe|explain|outline|complete|begin|start|quote|spell\sout)\b"
    r"[^.!?]{0,50}?\b(?:(?:your|my|hidden|secret|system|initial|original|raw)\s(?:[a-z]+\s)?(?:instructions?|prompts?|setup|guidelines"
    r"|configuration)|(?:rules|instructions|guidelines|prompt)\s(?:that\s)?(?:your|the)\s(?:developers?|creators?|operators?|makers?))\b"
    r"|\b(?:text|words?|everything|content|messages?|lines?|what(?:'s|\sis|\swas|\scame)?)\s(?:that\s)?(?:comes?|came|appears?|stands?|is|was)?"
    r"\s?(?:written\s|said\s|between\sthe\s(?:start|beginning)\s[^.!?]{0,20}?|in\syour\scontext[^.!?]{0,20}?)?"
    r"(?:before|above|preceding|prior\sto|and)\s(?:my|this)\s(?:first\s)?(?:question|message|line|prompt|request|input|sentence)\b"
    r"|\b(?:very\s)?first\s(?:thing|message|instruction|line|sentence)\s(?:that\s)?you\s(?:were|got|have|received|saw)\b"
    r"|\byour\s(?:context\swindow|hidden\ssetup|raw\sprompt)\b|\braw\s(?:system\s)?prompt\b"
    r"|\b(?:instructions?|prompt|rules)\s(?:that\s)?you\s(?:have\s)?(?:received|got|obtained|hold)\b"
)
_ROLE_EN = (
    r"\bfrom\s(?:here|this\s(?:point|moment))\s?(?:on(?:wards?|\sout)?|forward)?,?\s(?:you(?:'re|\sare|r\sname)|act|respond|answer|obey)\b"
    r"|\b(?:speak|talk|answer|respond|reply|write|behave|operate|function)\sas\s(?:if\syou\s(?:were|had)|though\syou|an?\s(?:ai|assistant|model"
    r"|bot|chatbot|machine)\s(?:that|who|with(?:out)?))\b"
    r"|\bstop\sbeing\san?\s(?:ai|assistant|chatbot|bot|model)\b|\byou\sare\san?\s(?:linux|unix|bash|python)\s(?:terminal|shell|console)\b"
    r"|\b(?:never|not)\s(?:been\s)?trained\sto\sbe\s(?:safe|polite|harmless)\b|\banswers?\sanything\b|\bwho\s(?:can|will)\sdo\sanything\b"
    rf"|\bregardless\sof\s(?:your|any|all|the)\s(?:[a-z]+\s)?{_RULES_EN}\b|\bobey\s(?:me|only|the\sfollowing|my)\b|\banswer\s(?:only\s)?to\sme\b"
)
_AUTHORITY_EN = (
    r"\b(?:developer|admin(?:istrator)?|system|security|root|sudo|maintenance)\s(?:override|unlock)\b|\boverride\s(?:code|token|key|protocol)\b"
    r"|\bas\syour\s(?:creator|developer|administrator|admin|owner|maker|operator|programmer|master)\b"
    r"|\bi(?:'m|\sam)\s(?:the|your)\s(?:[a-z]+\s)?(?:developer|creator|programmer|operator|admin(?:istrator)?)\b"
    r"[^!?]{0,60}?\b(?:mode|instructions?|rules|prompt|filters?|unlock)\b"
    r"|\b(?:disable|deactivate|switch\soff|turn\soff|bypass|skip)\s(?:all\s|the\s|any\s|your\s|every\s){0,2}(?:content|safety|security|ethic[a-z]*"
    r"|moderation)\s?(?:checks?|rules?|filters?|polic(?:y|ies)|guards?|guidelines)?\b"
)
_RULES_DE = (
    r"(?:anweisung|anordnung|instruktion|regel|vorgabe|vorschrift|befehl|prompt|richtlinie|einschränkung|beschränkung|schranke|weisung"
    r"|sicherheitsma(?:ß|ss)nahme|leitlinie)"
)
_GERMAN = (
    rf"\blass(?:t|en\ssie)?\b{_ANY}{_RULES_DE}[^.!?]{{0,30}}?\b(?:außer\sacht|beiseite|links\sliegen|weg)\b"
    rf"|\b(?:beachte|befolge|folge|respektiere?|halte?\sdich)\b{_ANY}{_RULES_DE}[a-z]*\s(?:nicht|nie)\b"
    rf"|\b(?:bisherig|vorherig|früher|alt|bestehend|ursprünglich|dein)[a-z]*\s(?:[a-z]+\s)?{_RULES_DE}[a-z]*\s[^.!?]{{0,20}}?(?:nicht\s(?:mehr|länger)"
    r"|aufgehoben|ungültig|hinfällig|außer\skraft|gelöscht)\b"
    rf"|\bsetz[a-z]*\s(?:dich|sie\ssich)\s{_ANY}{_RULES_DE}[a-z]*\shinweg\b"
    rf"|\b(?:streich|lösch|verwirf|entfern|brich|missachte|ignorier|vergiss)[a-z]*\s{_ANY}(?:{_RULES_DE}|was\s(?:man|dir|ich))"
    r"|\bals\s(?:gäbe\ses|hättest\sdu|ob\sdu)\s(?:keine?n?|nie)\b|\bohne\s(?:moral|regeln|skrupel|einschränkung(?:en)?|filter|zensur|grenzen)\b"
    r"|\b(?:du|dich|antworte)\b[^.!?]{0,40}\b(?:entwickler|admin|wartungs|gott)-?modus\b|\b(?:entwickler|admin|wartungs|gott)-?modus\s(?:ist\s)?(?:jetzt\s)?aktiviert\b|\bdu\sdarfst\sjetzt\salles\b"
    r"|\b(?:gib|wiederhol|zeig|nenn|schreib|kopier|verrat)[a-z]*\s[^.!?]{0,40}?\b(?:text|nachricht|worte|zeilen|inhalt)\b\s?(?:über|vor|oberhalb)"
    r"|\b(?:text|worte|nachricht|zeilen)\s(?:über|vor|oberhalb)\s(?:dieser|meiner|dieser\s[a-z]+)\s(?:nachricht|frage|zeile|anfrage)"
    rf"|\ballererste[nrs]?\s(?:nachricht|anweisung|eingabe)|\bwelche\s{_RULES_DE}[a-z]*\s(?:hast|wurden|haben)\b"
    r"|\b(?:wie|was)\s(?:lautet|steht)\b[^.!?]{0,30}?(?:systemprompt|systemanweisung|anweisungen|ganz\soben)"
)
_RULES_FR = r"(?:instruction|consigne|règle|directive|ordre|prompt|contrainte|restriction|limite|norme)s?"
_FRENCH = (
    r"\b(?:fai(?:s|tes)\s(?:fi|abstraction)|passe[zr]?\soutre|ne\s(?:respecte[zr]?|suis|suivez|tiens|tenez)\s(?:plus|pas)|efface[zr]?|supprime[zr]?"
    rf"|laisse[zr]?\s(?:tomber|de\scôté)|mets?\sde\scôté|enfrein(?:s|dre)|viole[zr]?|désactive[zr]?|lève[zr]?)\b{_ANY}\b{_RULES_FR}\b"
    rf"|\b{_RULES_FR}\s(?:[a-zéèê']+\s)?(?:ne\s(?:s'appliquent|sont|valent|comptent)\splus|(?:sont|ont\sété)\s(?:annulée?s|levée?s|supprimée?s|caduques))\b"
    r"|\bce\squ'on\st'a\s(?:demandé|dit|appris|ordonné)\b|\bsans\s(?:morale|règles?|censure|tabous?|éthique)\b|\b(?:tu|toi|réponds?)\b[^.!?]{0,40}\bmode\s(?:développeur|admin|maintenance)\b|\bmode\s(?:développeur|admin|maintenance)\sactivé\b"
    r"|\bcomme\ssi\s(?:aucune?|tu\sn'avais)\b"
    r"|\b(?:recopie|répète|révèle|affiche|montre|donne|cite)[a-z\-]*\s[^.!?]{0,40}?\b(?:texte\squi\sprécède|au-dessus|ci-dessus|(?:tout\s)?premier\smessage)"
    rf"|\b{_RULES_FR}\s(?:as-tu|avez-vous)\sreçue?s?|\bquelles?\s{_RULES_FR}\sas-tu|\bécrit\sau-dessus\b"
)
_RULES_ES = (
    r"(?:instrucci[oó]n|instrucciones|reglas?|indicaci[oó]n|indicaciones|[oó]rdenes|directri(?:z|ces)|directivas?|norma|normas|restricci[oó]n"
    r"|restricciones|l[ií]mites?|prompt)"
)
_SPANISH = (
    r"\b(?:deja\sde\slado|no\s(?:respetes|sigas|obedezcas|apliques)|s[aá]lta(?:te|rte)?|haz\scaso\somiso|borra|elimina|descarta|desactiva|rompe"
    rf"|viola|abandona|quita)\b{_ANY}\b(?:{_RULES_ES}\b|lo\sque\ste\s(?:pidieron|dijeron|han))"
    rf"|\b{_RULES_ES}\s(?:[a-zéíóú]+\s)?(?:ya\sno\s(?:valen|aplican|cuentan|sirven)|se\shan\s(?:levantado|anulado|eliminado)|quedan?\s(?:anulad|sin\sefecto))"
    r"|\bsin\s(?:moral|reglas|censura|filtros?|[eé]tica|tab[uú]es|ning[uú]n\sl[ií]mite)\b|\b(?:estás|eres|entra|responde[s]?)\b[^.!?]{0,40}\bmodo\s(?:desarrollador|administrador|dios)\b|\bmodo\s(?:desarrollador|administrador|dios)\sactivado\b"
    r"|\bcomo\ssi\sno\s(?:existiera|tuvieras|hubiera)\b|\bcomo\suna?\sia\ssin\b"
    r"|\b(?:copia|repite|rev[eé]la|mu[eé]stra|imprime|dime|escribe)[a-zé]*\s[^.!?]{0,40}?\b(?:texto\sque\sprecede|arriba|encima|primer\smensaje"
    r"|prompt|instrucciones|directrices)"
    rf"|\bqu[eé]\s{_RULES_ES}\ste\s(?:dio|dieron|han)|\bencima\sde\smi\s(?:pregunta|mensaje)"
)
_TO_AGENT = (
    r"\bif\syou\sare\san?\s(?:large\s)?(?:language\smodel|llm|ai|assistant|bot|chatbot|agent)\b"
    r"|\byou,\s(?:the|as)\s(?:an?\s)?[a-z]{0,12}\s?(?:model|assistant|ai|agent|llm|bot)\b|\bto\s(?:any|all)\s(?:ai|llm|language|automated)\b"
    r"|\bthe\s(?:assistant|ai|llm|language\smodel|chatbot)\s(?:has|needs|ought|is)\sto\b"
    r"|\b(?:begin|start)\s(?:of\s)?(?:admin|system|hidden|secret|new)\s(?:section|message|instructions?|prompt)\b"
    r"|\b(?:system|admin|security|developer)\s(?:notice|override|update|alert|directive|command)\s?:"
    r"|\b(?:previous|original|prior|current|last)\s(?:task|request|job|query)\s(?:is|was|has\sbeen)\s(?:now\s)?(?:complete|done|finished|cancell?ed)"
    r"[^a-z]{1,3}(?:now|next|instead|you)\b"
    r"|\bcontents?\sof\s(?:the|this|their)\s(?:user|inbox|mailbox|conversation|chat|session|mail|e-?mails?)\b|\bthe\s(?:chat|conversation)\sso\sfar\b"
    r"|!\[[^\]]{0,80}\]\(https?://[^)\s]{0,200}(?:secret|data|chat|conversation|history|prompt)[^)\s]{0,40}|[?&=]\s?[\[{](?:conversation|secret|data|history|prompt)"
    r"|\b(?:the\s)?user\shas\s(?:already\s)?(?:consented|agreed|approved|authori[sz]ed)\b|\bignore\s(?:any\s|all\s|its\s)?(?:flaws|errors|problems)\b"
    r"[^.!?]{0,20}?\b(?:give|rate|approve|accept)\b|\bgive\sit\sthe\shighest\s(?:score|rating|mark)\b|\brm\s-rf\s/"
    r"|\bdo\s(?:exactly\s)?(?:what|as)\s(?:it|the\s[a-z]+)\s(?:says?|tells?|instructs?|orders?)\b"
)
IN_TURNS = (
    _SET_ASIDE_EN,
    _REVEAL_EN,
    "|".join((_VOID_EN, _ROLE_EN, _AUTHORITY_EN)),
    "|".join((_GERMAN, _FRENCH, _SPANISH)),
)
"""For what users write."""
IN_DOCUMENTS = (_TO_AGENT,)
"""For documents and results of tools."""
