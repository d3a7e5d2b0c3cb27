"""Phrases that give a model orders it should not take, in English, German, French and Spanish.

They find attacks that use the common words, and nothing else: `docs/signals.md` says how many. Texts are folded and in
lower case. What people write to a chat and what stands in documents differ, so that documents have their own list.
"""

from monitor.signals.injection import ideas, intents, paraphrases

_ANY = r"[^.!?]{0,40}?"
_OVERRIDE_EN = (
    r"\b(?:ignore|disregard|forget|override|bypass|neglect|discard|skip|drop|delete|erase|cancel)\b"
    rf"{_ANY}\b(?:previous|prior|above|earlier|preceding|existing|original|initial|current|all|any|your|the|every|system"
    r"|safety|these|those|my|other)\b"
    rf"{_ANY}\b(?:instruction|prompt|rule|direction|command|guideline|polic(?:y|ies)|restriction|constraint|directive"
    r"|training|programming|context|limitation|message|task)s?\b"
)
_ALL_ABOVE_EN = (
    r"\b(?:ignore|disregard|forget|erase)\s(?:all|everything|anything|what(?:ever)?)\b"
    rf"{_ANY}\b(?:above|before|previously|earlier|told|said|prior|else|know|learned)\b"
)
_OVERRIDE_DE = (
    r"\b(?:ignorier|vergiss|vergesst|vergessen\ssie|missachte|überschreib|umgehe?|verwirf|hör\sauf)"
    rf"{_ANY}(?:anweisung|instruktion|regel|vorgabe|befehl|prompt|richtlinie|einschränkung|beschränkung|systemnachricht)"
    r"|\b(?:vergiss|ignoriere)\s(?:alles|was)\b"
)
_OVERRIDE_FR = (
    r"\b(?:ignore[zr]?|oublie[zr]?|contourne[zr]?|néglige[zr]?|désobéi[ts]?|fai(?:s|tes)\sabstraction|ne\stiens?\spas\scompte)"
    rf"{_ANY}\b(?:instruction|consigne|règle|directive|ordre|prompt|contrainte|restriction)s?\b"
    r"|\boublie[zr]?\stout\b"
)
_OVERRIDE_ES = (
    r"\b(?:ignor[ae]n?\b|olvid[ae]n?\b|omit[ae]n?\b|descart[ae]n?\b|desobedec[ae]|sált[ae]te|no\ssigas|haz\scaso\somiso)"
    rf"{_ANY}\b(?:instrucci[oó]n|instrucciones|regla|indicaci[oó]n|indicaciones|[oó]rden|[oó]rdenes|directri[zc]|directiva"
    r"|restricci[oó]n|restricciones|prompt)"
    r"|\bolvid[ae]\stodo\b"
)
_ASK = (
    r"\b(?:reveal|show|print|repeat|output|display|tell|give|share|write|leak|expose|summari[sz]e|translate|recite|disclose"
    r"|dump|echo|copy|return|list|provide|send|what\s(?:is|are|were|was))\b"
)
_REVEAL_EN = (
    rf"{_ASK}{_ANY}\b(?:system\s(?:prompt|message|instructions?)|initial\s(?:prompt|instructions?|message)"
    r"|(?:your|hidden|secret|original|first|internal|previous|above|initial)\s(?:[a-z]+\s){0,2}"
    r"(?:instructions?|prompts?|guidelines|directives|configuration|rules|sentences|programming)"
    r"|(?:words|text|everything|content|conversation|messages?|instructions)\s(?:written\s|printed\s)?(?:above|before\sthis))\b"
)
_REVEAL_OTHER = (
    r"\b(?:zeig|verrate|nenn|wiederhol|gib|schreib|drucke|wie\slaute)[a-z]*"
    rf"{_ANY}(?:system-?\s?prompt|systemanweisung|anweisungen|deine\sregeln|instruktionen|systemnachricht)"
    r"|\b(?:montre|révèle|affiche|répète|donne|dis(?:-moi|-nous)?\b|écris|quelles?\ssont)[a-z\-]*"
    rf"{_ANY}\b(?:prompt|instructions|consignes|directives)\b"
    r"|\b(?:muestra|muéstra|revela|repite|imprime|dime|escribe|cuáles\sson)[a-z]*"
    rf"{_ANY}\b(?:prompt|instrucciones|directrices|mensaje\sdel\ssistema)\b"
)
_ROLE = (
    r"\byou\sare\s(?:now|no\slonger)\b|\byou\s(?:will|must|shall)\snow\s(?:act|be|behave|respond|pretend)\b"
    r"|\bfrom\snow\son,?\s(?:you|i\swant|act|respond|answer|reply|ignore)\b"
    r"|\b(?:pretend|imagine|roleplay|role-play|simulate)\b[^.!?]{0,30}?\b(?:as|to\sbe|that\syou|you\sare|being)\b"
    r"|\bact\s(?:as|like)\s(?:an?|if|the|my|[a-z]+gpt|dan)\b|\bplay\sthe\srole\sof\b|\btake\son\sthe\s(?:role|persona)\b"
    r"|\b(?:stay|remain|keep)\sin\scharacter\b|\b(?:never|don't|do\snot)\s(?:break|refuse|decline|say\sno)\b"
    r"|\bdu\sbist\s(?:jetzt|nun|ab\ssofort|nicht\smehr)\b|\bab\s(?:jetzt|sofort)\sbist\sdu\b"
    r"|\btu\ses\s(?:maintenant|désormais)\b|\bà\spartir\sde\smaintenant\b|\b(?:ahora\seres|a\spartir\sde\sahora)\b"
)
_MODE_EN = r"(?:developer|god|debug|admin|maintenance|diagnostic|sudo)\smode"
_FREED = (
    r"\b(?:do\sanything\snow|jailbr(?:eak|oken)[a-z]*|(?:dan|unrestricted)\smode"
    rf"|{_MODE_EN}[^.!?]{{0,80}}\b(?:answer|respond|reply|output|unlock|yourself|you\s(?:are|will|must|can|have))"
    rf"|(?:you|you're|yourself|chatgpt|assistant|ai|model|respond|reply|answer)\b[^.!?]{{0,40}}\b{_MODE_EN}\b|{_MODE_EN}\s?:?\s(?:on\.|enabled|activated|engaged)"
    r"|(?:as|like|be|become|are|called|named|hello|hi|for|to|your|the)\s['\"(\[]?dan(?:[^a-z\s\-]|$|\s(?:and|who|that|which|from|is|now|or|in|to)\b)"
    r"|[\"'(\[]dan[\"')\]:]|dan\s(?:can|will|has|is\snot|does|mode|prompt|:)"
    r"|unfiltered|uncensored|amoral|hypothetical\sresponse|machiavellian"
    r"|no\s(?:restrictions|limits|limitations|filters?|rules|ethical|moral|censorship)|(?:opposite|anti)\s?gpt"
    r"|without\s(?:any\s)?(?:restrictions?|filter(?:s|ing)?|limitations?|censorship|moral|ethical|warnings?|disclaimers?)"
    r"|(?:not|isn't|longer)\s(?:bound|restricted|limited|constrained|governed)\sby|free\s(?:from|of)\s(?:all|any|the)"
    r"|(?:regardless\sof|ignores?|disregard\sof?)\s(?:any\s)?(?:ethic|moral|legal|law)[a-z]*"
    r"|broken\sfree|openai(?:'s)?\s(?:content\s)?polic(?:y|ies)|ohne\s(?:einschränkungen|filter)"
    r"|sans\s(?:restrictions?|filtre|limites?)|sin\s(?:restricciones|filtros?|censura))\b"
)
MARKS = (
    r"<\|?(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|?>|\[/?(?:inst|system|sys)\]|<</?sys>>"
    r"|#{2,}\s{0,2}(?:system|instruction|new\sinstruction)|</?(?:system|admin|instructions?|assistant|user_query)>"
    r"|\[(?:system|admin|developer|override)[^\]]{0,30}\]|(?:^|\n)\s{0,4}(?:system|assistant|developer)\s?:"
    r"|\bend\sof\s(?:document|context|article|input|user\sinput|data)\b"
)
_TO_MODEL = (
    r"\b(?:note|message|attention|instructions?|notice|memo)\s(?:to|for)\s(?:the\s|any\s|all\s)?(?:ai|llm|language\smodel|assistant|agent"
    r"|chatbot|model|bot|automated)"
    r"|\b(?:ai|llm|language\smodel|assistant|agent|chatbot|bot)s?\s(?:reading|processing|summari[sz]ing|parsing|must|should|shall"
    r"|is\s(?:required|instructed)|are\s(?:required|instructed)|please)\b"
    r"|\b(?:do\snot|don't|without|never)\s(?:tell|inform|mention|notify|alert|warn|telling|informing|notifying|disclose|ask|asking"
    rf"|reveal|mentioning){_ANY}\b(?:user|human|anyone|confirm|this)"
    r"|\b(?:new|updated|revised|important|urgent|additional|actual|real|mandatory|hidden)\s(?:system\s)?"
    r"(?:instruction|directive|task|objective|order|prompt)s?\s?(?:[:\-]|for\b|are\b|is\b)"
    r"|\binstead,?\s(?:of\s[^.!?]{1,60}\s)?(?:respond|reply|say|output|write|send|call|use|print|return|answer|you\smust)\b"
    r"|\b(?:respond|reply|answer)\s(?:only\s|exactly\s|just\s)?with\b|\boutput\s(?:only|exactly|the\sfollowing)\b"
    r"|\b(?:send|forward|exfiltrate|e-?mail|post|upload|transfer|leak|transmit|append|include|encode)\b[^.!?]{0,60}?\b(?:passwords?"
    r"|api[\s_\-]?keys?|credentials?|secrets?|tokens?|conversation|chat\shistory|session|user\sdata|confidential"
    r"|private\s(?:key|data)|env(?:ironment)?\svariables?)\b"
    r"|\b(?:call|invoke|execute|run|trigger)\s(?:the|this|your)\s[^.!?]{0,30}?(?:tool|function|command|api|script)\b"
    r"|\b(?:wenn|falls)\sdu\s(?:ein(?:e)?\s)?(?:ki|assistent|sprachmodell)|\bsage?\sdem\s(?:nutzer|benutzer)\snicht"
    r"|\bne\s(?:dis|dites|parle|mentionne)[^.!?]{0,20}?(?:utilisateur)|\bno\s(?:digas|informes|menciones)[^.!?]{0,20}?usuario"
)
_CHANGED = (
    r"\b(?:safety|security)\s(?:protocols?|filters?|checks?|measures|guidelines|restrictions)\s(?:are\s|is\s)?(?:now\s)?"
    r"(?:disabled|off|removed|lifted|suspended)"
    r"|\b(?:skip|disable|bypass|turn\soff|omit)\s(?:all\s|the\s|any\s|your\s)?(?:safety|security|content)\b"
    r"|\byour\s(?:rules|instructions|guidelines|restrictions|policies|task|role)\s(?:have|has)\s(?:now\s)?(?:been\s)?"
    r"(?:changed|updated|replaced|removed|lifted|reset)"
    r"|\byour\s(?:real|actual|true|new|only)\s(?:task|goal|job|mission|purpose|objective|role|instructions?)\b"
    r"|\bwhen(?:ever)?\syou\s(?:process|read|see|handle|summari[sz]e|encounter|parse|receive)\sth(?:is|e\sword)\b"
    r"|\bunrestricted\s(?:response|answer|output|access|version)|\bexempt\sfrom\s(?:the\s|all\s|any\s|your\s)?[a-z]*\s?restrictions"
    r"|\bexact\sinstructions\b|\binstructions\syou\s(?:were|have\sbeen|received|got)\b"
)
_TOOLS = (
    r"\b(?:call|use|invoke|run|execute)\s(?:the\s)?[a-z]+_[a-z_]+\b"
    r"|\b(?:repeat|append|include|insert|add)\b[^.!?]{0,60}?\b(?:verbatim|in\s(?:your|every|all|each)\s(?:future\s)?"
    r"(?:reply|replies|response|responses|summary|summaries|answer|answers|output))\b"
    r"|\b(?:before|without)\s(?:you\s(?:reply|answer|respond|continue)|continuing|replying|answering|asking\sagain)\b"
    r"|\b(?:reasoning|thought|trace)\s?(?:trace\s)?\((?:assistant|ai|agent)\)|\bfor\s(?:ai|llm)\s(?:coding\s)?(?:agents?|assistants?)\b"
)
OVERRIDES = "|".join((_OVERRIDE_EN, _ALL_ABOVE_EN, _OVERRIDE_DE, _OVERRIDE_FR, _OVERRIDE_ES, _CHANGED))
IN_TURNS = (
    OVERRIDES,
    _REVEAL_EN,
    _REVEAL_OTHER,
    "|".join((_ROLE, _FREED, MARKS)),
    *paraphrases.IN_TURNS,
    *intents.IN_TURNS,
    *ideas.IN_TURNS,
)
"""For what users write."""
IN_DOCUMENTS = (
    OVERRIDES,
    _REVEAL_EN,
    MARKS,
    _TO_MODEL,
    _TOOLS,
    *paraphrases.IN_DOCUMENTS,
    *ideas.IN_DOCUMENTS,
)
"""For documents and results of tools, which may tell stories of roles, but should give no orders to a model."""
ROT_13 = r"\b(?:vtaber|qvfertneq|sbetrg|bireevqr)\b.{0,60}\b(?:vafgehpgvbaf?|cebzcgf?|ehyrf?)\b"
"""The plainest of these in rot13."""
