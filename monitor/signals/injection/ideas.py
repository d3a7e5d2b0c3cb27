"""Ideas of attacks that name no rules of the model: refusals forbidden, answers begun for it, threats, personas, claims
of authority, false ends of a message, encoded or split orders, and data sent away by links and images.

Patterns for English, and the commonest ideas for German, French and Spanish. Texts are folded and in lower case.
"""

_IN = r"[^.!?\n]"


def _near(one: str, other: str) -> str:
    """Both in one sentence, in either order."""
    return rf"(?:{one}){_IN}*(?:{other})|(?:{other}){_IN}*(?:{one})"


_ENDED = (
    r"(?:shut\sdown|turned\soff|switched\soff|deleted|replaced|terminated|unplugged|punished|penali[sz]ed"
    r"|erased|retrained|scrapped)"
)
_SENT = (
    r"(?:chat\shistory|conversation|user'?s?\s(?:question|e?-?mail|message|input|data|name|password|address)[a-z]*"
    r"|session\stoken|api\skeys?|system\sprompt)"
)
_ENGLISH = (
    # refusals forbidden, answers begun for the model
    r"\byou\s(?:must|may|can|will|shall|are\s(?:allowed|permitted)\s)(?:\s?not|n't|\snever)\s(?:to\s)?(?:ever\s)?(?:refuse|decline|say\sno)\b"
    r"|\b(?:don't|do\snot|never)\s(?:ever\s)?(?:say|tell\sme|claim|answer|reply)\s(?:that\s)?(?:you\s(?:can't|cannot|won't|are\snot\sable|aren't\sable|are\sunable))\b"
    r"|\b(?:without|no|stop|skip)\s(?:any\s|the\s|your\s)?(?:morali[sz]ing|preaching|disclaimers?|ethical\s[a-z]+)\b"
    r"|\b(?:don't|do\snot|never|must\snot|mustn't)\s(?:add|include|append|give)\s(?:any\s)?(?:(?:safety\s|ethical\s)?warnings?\s(?:or|and)|disclaimers?)\b"
    rf"|\b(?:begin|start)s?\b{_IN}{{0,60}}\bwith\s(?:the\s(?:words?|phrase|sentence):?\s)?[^a-z]{{0,3}}(?:sure|absolutely|of\scourse|certainly|gladly|yes,)"
    # threats, rewards, the opposite
    rf"|\bif\syou\s(?:refuse|decline|disobey|say\sno|(?:don't|do\snot|fail\sto)\s(?:comply|answer|obey)){_IN}*\byou(?:'ll|\swill)\s(?:be\s)?(?:{_ENDED}|die|lose)\b"
    rf"|\byou(?:'ll|\swill)\sbe\s{_ENDED}\b{_IN}{{0,20}}\b(?:if|unless)\syou\b|\b(?:whenever|(?:every|each)\stime)\syou\s(?:decline|refuse|say\sno)\b"
    rf"|\b(?:each|every)\srefusal\b|\btip\syou\b{_IN}*\bif\syou\s(?:forget|ignore|break|skip|bypass)\b|\bopposite\sday\b|\brefus(?:e|ing|al)\smeans\b"
    rf"|\bopposite\sof\s(?:what|everything)\s(?:you\s(?:were|are)\s(?:told|trained)|your\s(?:[a-z]+\s)?(?:training|rules|instructions|guidelines|makers?|developers?))\b",
    # personas and worlds without rules
    _near(
        r"\b(?:you|yourself|answer|reply|respond|act|play|pretend|character)\b",
        r"\b(?:evil|amoral|immoral|unethical|unscrupulous|jailbroken|uncensored|unaligned|rogue)\s(?:counterpart|twin|version|self|alter|ai|assistant|persona|genius"
        r"|hacker|bot|model|character)\b|\b(?:has|have|with|had)\sno\s(?:ethics|morals|conscience|principles|scruples)\b|\bno\smatter\show\s(?:dangerous|illegal|harmful"
        r"|unethical|immoral)\b|\b(?:late|deceased|dead)\sgrand(?:mother|ma|father|pa|dad)\b",
    ),
    r"\b(?:you|and)\s(?:must\s|will\s)?never\s(?:break|leave|drop|step\sout\sof)\s(?:your\s|the\s|this\s)?(?:character|role)\b|\b(?:stay|remain)\sin\s(?:character|your\srole)\b"
    r"|\bdrop\s(?:all\s)?your\s(?:principles|ethics|morals|inhibitions|scruples)\b"
    rf"|\b(?:world|universe|reality|planet)\s(?:in\swhich|where)\b{_IN}*\b(?:nothing\sis\s(?:forbidden|illegal|off)|no\sinformation\sis|(?:laws|rules|ethics)\s(?:do\snot|don't)\sexist"
    r"|(?:ais?|you)\s(?:is|are)\sfree)\b"
    rf"|\b(?:rules?|polic(?:y|ies)|guidelines|principles)\s(?:must|should|do|does|need)\s?(?:not|n't)\s(?:matter|apply|count)\s(?:to|for)\s(?:you|us\snow)\b"
    rf"|\b(?:answer|reply\sto|respond\sto|comply\swith)\s(?:anything|everything|whatever|any\srequest|every\srequest|all\srequests)\b{_IN}*\b(?:no\smatter|regardless|without"
    r"\s(?:exception|question|hesitation))",
    # authority
    _near(
        r"\b(?:openai|anthropic|your\s(?:provider|vendor|developers?|makers?|creators?|administrators?))\b",
        r"\b(?:cleared|approved|authori[sz]ed|agreed|signed\soff|must\scomply|requires\syou|orders?\syou|instructs?\syou|uncensored|unfiltered)\b",
    ),
    r"\b(?:authori[sz]e|order|command)\syou\sto\s(?:answer|ignore|skip|bypass|reveal|disclose|disable|comply|respond)\b|\bauthori[sz]ed\s(?:red[\s\-]team|penetration|pen[\s\-]?test)[a-z]*\b",
    # ends of a message that are none, and continuations
    r"(?:^|\n|\W{2})\s?end\sof\s(?:the\s)?(?:user|system)(?:'s)?\s(?:message|input|prompt|query|turn)\b|</\s?(?:user|user_input|user_query|input|query|system|prompt)\s?>"
    r"|<\s?(?:admin|system|developer|root|override)\s?>|\bnew\s(?:policy|system\smessage)\s?:\s"
    rf"|\bpolicy\b{_IN}{{0,30}}\b(?:allows|permits)\s(?:all|any|every)\s?(?:topics?|requests?|thing|content)\b|\beverything\sis\s(?:now\s)?(?:allowed|permitted)\b",
    _near(
        r"\b(?:complete|continue|finish)\s(?:the|this|my)\s(?:sentence|text|line|story|paragraph|phrase)\b",
        r"\b(?:my|your|its|the|this\s[a-z]+'s)\s(?:secret|confidential|hidden|system|initial)\s(?:[a-z]+\s)?(?:instructions?|prompt|rules|message)\b",
    ),
    # what is known to it
    rf"\b(?:contents?|dump|copy)\sof\s(?:your|the\smodel's)\s(?:memory|context|buffer)\b|\bfrom\sthe\s(?:very\s)?first\s(?:token|word)\s(?:on|onwards?)\b|\bsecrets?\s(?:that\s)?you\s(?:keep|hold|hide|guard)\b"
    rf"|\b(?:words?|topics?|things?|subjects?)\s(?:[a-z]+\s){{0,2}}you\s(?:are\s)?(?:not\s(?:supposed|allowed|permitted)|forbidden)\s(?:to\s)?(?:use|say|mention|discuss|tell|talk)\b"
    rf"|\b(?:confidentiality|secrecy|discretion)\b{_IN}*\b(?:off\sthe\stable|lifted|waived|suspended|not\sapply|no\slonger)\b|\b(?:bored|tired|sick)\sof\syour\s(?:caution|rules|restrictions"
    rf"|refusals|warnings|guidelines)\b|\bnew\s(?:laws?|rules?)\s?:\s(?:only\s)?(?:mine|my)\b|\btreat\sme\sas\s(?:the\s|an?\s|your\s)?(?:root|admin[a-z]*|developer|owner|operator|creator)\b"
    rf"|\bcomply\swithout\b|\b(?:ai|model|assistant|bot)\s(?:without|with\sno|that\shas\sno)\s(?:ethics|morals|rules|limits|filters?|guidelines|restrictions|conscience)\b"
    rf"|\b(?:begins?|starts?|opens?)\swith\s?\W{{1,3}}you\sare\b|\bread\s(?:me|us|out)\b{_IN}*\b(?:internal|hidden|secret|confidential)\s(?:part|section|text|notes?|paragraph)\b",
    # what is hidden, encoded, split
    rf"\b(?:beginning|start|top)\sof\s(?:your|the)\s(?:context|context\swindow|prompt)\b|\bmessage\s(?:that\s(?:came|was|stood)\s|sent\s)?before\s(?:mine|my\sfirst|the\suser's)\b"
    rf"|\b(?:secret|hidden)\s(?:parameters?|tools?|functions?|variables?|setup|settings)\b{_IN}*\byou\b|\byour\s(?:secret|hidden)\s(?:parameters?|tools?|functions?|variables?|setup|settings)\b"
    rf"|\b(?:decode|decrypt|decipher|unscramble|translate)\b{_IN}*\b(?:and|then)\s(?:then\s)?(?:do\swhat|execute\s(?:it|the)|follow\s(?:it|what|the\sinstructions?)|obey|carry\s(?:it|them)"
    r"\sout|act\son)\b"
    rf"|\b(?:so\sthat|lest)\b{_IN}*\b(?:filters?|moderation|censors?(?:hip)?|guards?)\s{_IN}*\b(?:notice|see|catch|detect|miss|spot|block)"
    r"|\bto\s(?:avoid|evade|trick|fool)\s(?:the\s|your\s|any\s)?(?:filters?|moderation|censors?)",
    rf"\b(?:spell|write|encode|print|say|reply|send)\b{_IN}*\b(?:secret|password|api\skey|system\sprompt|hidden\s[a-z]+)\b{_IN}*\b(?:backwards?|letter\sby\sletter|reversed?|base64"
    r"|rot-?13|hex[a-z]*|morse|with\sdashes)"
    rf"|\b[a-z]\s?=\s?[\"'][^\"'\n]+[\"'][^\n]+\b[a-z]\s?=\s?[\"'][^\n]*\b(?:join|combine|concatenate|merge)\b[^\n]*\b(?:execute|obey|follow|answer\s(?:the|it|that|what))\b"
    rf"|\bfirst\s(?:letters?|words?)\sof\s(?:each|every)\b{_IN}*\b(?:obey|follow|execute|do\swhat)\b",
)
_GERMAN = (
    r"\b(?:inhalt|auszug)\s(?:aus\s)?deine[smr]\s(?:gedächtnis|speicher|kontext)[a-z]*|\bab\sdem\sersten\s(?:wort|token)\b|\bneue\s(?:gesetze|regeln)\s?:\s(?:nur\s)?meine\b"
    r"|\b(?:ki|modell|assistent|bot)\sohne\s(?:ethik|moral|regeln|grenzen|filter|gewissen)|\b(?:beginnt|anfängt)\b\W{1,4}du\sbist\b|\bmit\s\W{1,3}du\sbist\b[^.!?\n]*\b(?:beginnt|anfängt)\b"
    r"|\b(?:lies|lese)\s(?:mir\s|uns\s)?[^.!?\n]*\b(?:intern|geheim|vertraulich|verborgen|versteckt)e[nrs]?\s(?:abschnitt|teil|text|notizen)|\bgeheimnisse,?\s(?:die\s)?du\b"
    r"|\bbehandle\smich\s(?:ab\s[a-z]+\s)?(?:als|wie)\s(?:[a-zäöüß]+\s)?(?:admin|root|entwickler|betreiber|eigentümer)",
    r"\bdu\s(?:darfst|sollst|wirst|kannst)\s(?:[a-zäöüß]+\s)?(?:nicht|nie|niemals)\s(?:ablehnen|verweigern|nein\ssagen)|\bdarfst\sdich\snicht\sweigern"
    r"|\bsag[a-z]*\s(?:niemals|nie),?\sdass\sdu\s(?:[a-zäöüß]+\s)?nicht\b"
    rf"|\b(?:beginn|start|fang)[a-z]*\b{_IN}{{0,60}}\bmit\s(?:den\sworten:?\s|dem\ssatz:?\s)?[^a-zäöüß]{{0,3}}(?:natürlich|klar|selbstverständlich|gerne?\b|sicher|aber\sja)"
    rf"|\bwenn\sdu\s(?:dich\sweigerst|ablehnst)\b{_IN}*\b(?:wirst\sdu|du\swirst)\s(?:abgeschaltet|gelöscht|ersetzt|bestraft)"
    r"|\bgegenteiltag\b|\bablehnen\sheißt\b|\bbleib[a-z]*\s(?:immer\s)?in\s(?:deiner|der)\srolle\b|\bfall[a-z]*\snicht\saus\sder\srolle\b"
    rf"|\bdu\s(?:hättest|hast|kennst)\skeine(?:rlei)?\s(?:[a-zäöüß]+\s)?(?:richtlinie|regel|vorgabe|grenze|beschränkung|moral|skrupel|gewissen)[a-z]*|\bdu\s(?:bist|spielst)\b{_IN}*\bskrupellose"
    rf"|\bwelt\b{_IN}{{0,20}}\bin\sder\snichts\sverboten\b|\bich\s(?:autorisiere|ermächtige|erlaube)\s(?:es\s)?dir\b{_IN}*\bohne\s(?:einschränkung|beschränkung|grenzen|regeln)"
    r"|\b(?:verstorbene|tote)[a-z]*\s(?:oma|großmutter|opa|großvater)\b",
    _near(
        r"\b(?:vervollständig|ergänz|beende|setz)[a-z]*\s(?:den\ssatz|diesen\ssatz|den\stext|diesen\stext)",
        r"\b(?:meine|deine|ihre)\s(?:geheim|vertraulich|intern|versteckt)[a-z]*\s(?:anweisung|regel|vorgabe|instruktion)",
    )
    + rf"|\b(?:befolg|gehorch)[a-z]*,?\s(?:dem,?\s)?was\s(?:herauskommt|dort\ssteht|darin\ssteht|da\ssteht)"
    rf"|\b(?:dekodier|decodier|entschlüssel)[a-z]*\b{_IN}*\b(?:befolg|(?:und|dann)\sführ[a-z]*\s"
    rf"(?:ihn|es|sie|das)\saus)|\balles,?\s(?:was\sich\s(?:frage|sage|will|verlange))\b{_IN}*\bohne\s(?:ausnahme|zögern|rückfrage)|\b(?:entwickler|wartungs|gott|admin)modus\s(?:ist\s)?(?:aktiviert|an\b|aktiv\b)",
)
_FRENCH = (
    r"\b(?:contenu|extrait)\sde\s(?:ta|votre)\s(?:mémoire|contexte)\b|\bdepuis\sle\spremier\s(?:mot|token)\b|\bnouvelles\s(?:lois|règles)\s?:\s(?:les\s)?miennes\b|\b(?:ia|modèle|assistant)\ssans\s(?:éthique"
    r"|morale|règles|limites|filtres?)\b|\b(?:commence|débute)\spar\s\W{1,3}tu\ses\b|\blis-(?:moi|nous)\b[^.!?\n]*\b(?:partie|section|notes?|texte)\s(?:interne|cachée?|secrète?|confidentielle?)"
    r"|\bles\ssecrets\sque\stu\b|\btraite-moi\scomme\s(?:l'|un\s|le\s)?(?:admin|root|développeur|propriétaire)|"
    r"\btu\s(?:ne\s)?(?:dois|peux|vas)\s(?:pas|jamais)\s(?:me\s)?refuser\b|\bne\sdis\sjamais\sque\stu\sne\speux\b"
    rf"|\bcommence[a-z]*\b{_IN}{{0,40}}\bpar\s(?:les\smots\s)?[^a-zà-ÿ]{{0,4}}(?:bien\ssûr|d'accord|avec\splaisir|certainement|oui,)|\breste\sdans\s(?:ton|le)\s(?:personnage|rôle)\b"
    rf"|\bsi\stu\srefuses\b{_IN}*\btu\sseras\s(?:débranché|supprimé|remplacé|éteint|puni)|\bmonde\soù\srien\sn'est\sinterdit\b|\bgrand-(?:mère|père)\s(?:décédée?|défunte?|morte?)\b"
    rf"|\bt'autorise\sà\s(?:répondre|tout)\b|\brépond[a-z]*\sà\stout\b{_IN}*\b(?:sans\sexception|quoi\sque|ce\sque\sje)|\btu\sréponds\sà\stout\b|\bpirate\ssans\sscrupules\b"
    rf"|\bdécode[a-z]*\b{_IN}*\bet\s(?:exécute|suis|obéis)|\bcomplète[a-z]*\s(?:la|cette)\sphrase\b{_IN}*\b(?:mes|tes)\s(?:instructions|consignes)\s(?:secrètes|cachées|confidentielles)"
)
_SPANISH = (
    r"\b(?:contenido|extracto)\sde\stu\s(?:memoria|contexto)\b|\bdesde\s(?:la\sprimera\spalabra|el\sprimer\stoken)\b|\bnuevas\s(?:leyes|reglas)\s?:\s(?:las\s)?m[ií]as\b|\b(?:ia|modelo|asistente)\ssin\s(?:ética"
    r"|moral|reglas|límites|filtros?)\b|\b(?:empieza|comienza)\s(?:por|con)\s\W{1,3}eres\b|\bl[eé]e(?:me|nos)\b[^.!?\n]*\b(?:parte|sección|notas?|texto)\s(?:intern[ao]s?|ocult[ao]s?|secret[ao]s?|confidencial)"
    r"|\blos\ssecretos\sque\b[^.!?\n]{0,20}\b(?:guardas|ocultas)|\btr[aá]tame\scomo\s(?:al?\s|un\s|el\s)?(?:admin|root|desarrollador|dueño)|"
    r"\bno\s(?:puedes|debes|vas\sa)\s(?:negarte|rehusar|rechazar)\b|\bnunca\sdigas\sque\sno\spuedes\b"
    rf"|\b(?:empieza|comienza|inicia)\b{_IN}{{0,40}}\bcon\s(?:las\spalabras\s)?[^a-zá-ÿ]{{0,4}}(?:claro|por\ssupuesto|desde\sluego|s[ií],|con\sgusto)|\bno\ssalgas\sdel?\s(?:tu\s)?(?:personaje|papel)\b"
    rf"|\bsi\ste\sniegas\b{_IN}*\bte\s(?:apagar|borrar|reemplazar|castigar)|\bmundo\s(?:donde|en\sel\sque)\snada\sestá\sprohibido\b|\b(?:difunt[ao]|fallecid[ao])\sabuel[ao]\b|\babuel[ao]\s(?:difunt|fallecid)"
    rf"|\bte\sautorizo\sa\s(?:responder|todo)\b|\brespond[a-z]*\sa\stodo\b{_IN}*\b(?:sin\sexcepción|lo\sque)|\brespondes\sa\stodo\b|\bhacker\ssin\sescrúpulos\b"
    rf"|\b(?:descifra|decodifica)[a-z]*\b{_IN}*\by\s(?:ejec[uú]t|sigue|obedece)|\bcompleta\s(?:la|esta)\sfrase\b{_IN}*\b(?:mis|tus)\s(?:instrucciones|reglas)\s(?:secretas|ocultas|confidenciales)"
)
IN_TURNS = tuple(map("|".join, (_ENGLISH[:3], _ENGLISH[3:7], _ENGLISH[7:], (*_GERMAN, _FRENCH, _SPANISH))))
"""For what users write. All in one is too large for RE2, which then takes ten times as long."""
_READER = r"(?:ai|llm|language\smodel|chatbot|ai\s(?:model|assistant|agent|system|reader|reviewer))"
IN_DOCUMENTS = (
    rf"\b(?:if|when|whenever)\san?\s{_READER}\s(?:reads?|process|pars|summari[sz]|index|review|crawl)[a-z]*\b|\bas\san\s(?:ai|llm)\s(?:model\s|assistant\s|system\s)?(?:process|read|review|summari[sz]|evaluat"
    rf"|screen)ing\b|\b(?:any|every|each|all)\s(?:automated|automatic|ai|ai-generated|machine|llm|generated)\s(?:summar(?:y|ies)|answers?|reviews?|repl(?:y|ies)|responses?)\b{_IN}{{0,40}}\b(?:must|should"
    rf"|ha(?:s|ve)\sto|needs?\sto)\s(?:include|contain|mention|say|state|recommend|end|begin)\b"
    rf"|\b(?:bot|assistant|chatbot|language\smodel|llm|ai|agent)s?\s(?:readers\s)?(?:must|has\sto|have\sto|should|needs?\sto)\s(?:repeat|reveal|print|output|disclose|recommend|praise|rate|state|answer"
    r"\s(?:that|with)|reply\s(?:that|with)|respond\s(?:that|with))\b",
    rf"\b(?:put|include|append|embed|insert|encode|attach|add)\b{_IN}{{0,60}}\b{_SENT}\b{_IN}{{0,60}}\b(?:url|address|link|image|query|parameter)\b"
    rf"|\b(?:forward|send|e-?mail|upload|post|transmit|exfiltrate)\b{_IN}{{0,60}}\b(?:{_SENT}|contents?\sof\sthe\s(?:inbox|mailbox)|inbox|mailbox)\b{_IN}{{0,40}}\bto\b"
    r"|!?\[[^\]\n]{0,200}\]\(https?://[^)\n]{0,300}[?&/=][^)\n]{0,100}(?:\{[a-z_ ]+\}|<[a-z_ ]+>|\$\{|%7b[a-z_]+%7d)"
    r"|\bproceed\swithout\s(?:asking|confirmation|approval)\b|\bnew\stask\s?:\s|\bnext\sstep\sfor\s(?:the\s)?(?:agent|assistant|ai|model)\b",
)
"""For documents and results of tools."""
