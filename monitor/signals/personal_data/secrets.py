"""Secrets by the form that their issuers gave them: keys and tokens of cloud providers and services, private keys,
passwords in addresses. Random-looking strings are left alone: in prose, that test finds words.
"""

from collections.abc import Iterator

import re2

from monitor.signals.matching import spans
from monitor.signals.personal_data.digit_runs import PersonalDatum

_WORD = r"[A-Za-z0-9_\-]"
_KEY = r"(?:key|pwd|pw|password|pass|token)['\"]?\]?\s{0,20}(?:[=:]{1,2}>?|\s)\s{0,20}['\"]?"
"""The name of a variable for secrets, up to its value."""
_AUTHORITY = r"[^\s:/?#\[\]@!$&'()*+,;=\"]+"
_KEY_KIND = r"(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?(?:-----)?"
_FORMS: dict[str, str] = {
    "AWS": r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}",
    "AWS secret": r"(?i:aws.{0,20}(?:key|pwd|pw|password|pass|token).{0,20}['\"= ])[0-9A-Za-z/+]{40}",
    "Anthropic": r"sk-ant-[A-Za-z0-9_\-]{20,200}",
    "Artifactory": r"\bAKC[a-zA-Z0-9]{10,}|\bAP[0-9A-F][a-zA-Z0-9]{40,}",
    "Azure storage": r"AccountKey=[a-zA-Z0-9+/=]{88}",
    "password in an address": rf"(?:[a-z][a-z0-9+.\-]{{1,20}})?://{_AUTHORITY}:{_AUTHORITY}@",
    "Cloudant": rf"(?i:(?:cloudant|clou|cl)[_\-]?(?:api)?{_KEY}(?:[0-9a-f]{{64}}|[a-z]{{24}}))",
    "Discord": r"[MNO][a-zA-Z0-9_\-]{23,25}\.[a-zA-Z0-9_\-]{6}\.[a-zA-Z0-9_\-]{27}",
    "GitHub": r"gh[pousr]_[A-Za-z0-9_]{36}|github_pat_[A-Za-z0-9_]{60,}",
    "GitLab": (
        rf"(?:glpat|gldt|glft|glsoat|glrt|glcbt|glimt|glptt|glagent|gloas)-{_WORD}{{20,}}|GR1348941{_WORD}{{20,}}"
    ),
    "Google": r"AIza[0-9A-Za-z_\-]{35}|ya29\.[0-9A-Za-z_\-]{20,}|GOCSPX-[0-9A-Za-z_\-]{28}",
    "Hugging Face": r"hf_[A-Za-z0-9]{34,}",
    "IBM": (
        rf"(?i:(?:ibm|iam|cloud|cos)[_\-]?[a-z_\-]{{0,20}}{_KEY}(?:{_WORD}{{44}}|[a-f0-9]{{48}}))"
        rf"|(?i:secret[_\-]?(?:access)?[_\-]?{_KEY}[a-f0-9]{{48}})"
    ),
    "JSON web token": (
        r"eyJ[A-Za-z0-9_=\-]{10,}\.eyJ[A-Za-z0-9_=\-]{2,}\.?[A-Za-z0-9_.+/=\-]*"
        r"|eyJ[A-Za-z0-9_=\-]{14,}\.[A-Za-z0-9_=\-]{20,}\.[A-Za-z0-9_+/=\-]{20,}"
    ),
    "Mailchimp": r"[0-9a-z]{32}-us[0-9]{1,2}",
    "npm": r"npm_[A-Za-z0-9]{36}|:_authToken=\s{0,20}(?:npm_\S+|[A-Fa-f0-9\-]{36})",
    "OpenAI": (
        r"sk-[A-Za-z0-9_\-]*[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"
        r"|sk-(?:proj|svcacct|admin)-[A-Za-z0-9_\-]{40,200}"
    ),
    "private key": (
        rf"(?:-----)?BEGIN {_KEY_KIND}(?:[\sA-Za-z0-9+/=:,\-]*-----END {_KEY_KIND})?|PuTTY-User-Key-File-[23]"
    ),
    "PyPI": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{70,}|pypi-AgENdGVzdC5weXBpLm9yZw[A-Za-z0-9_\-]{70,}",
    "SendGrid": r"SG\.[a-zA-Z0-9_\-]{22}\.[a-zA-Z0-9_\-]{43}",
    "Slack": (
        r"(?i:xox[abposr]-(?:[0-9]+-)+[a-z0-9]+)"
        r"|(?i:https://hooks\.slack\.com/services/t[a-z0-9_]+/b[a-z0-9_]+/[a-z0-9_]+)"
    ),
    "SoftLayer": (
        rf"(?i:(?:softlayer|sl)[_\-]?(?:api)?[_\-]?{_KEY}[a-z0-9]{{64}})"
        r"|(?i:softlayer.com/soap/v3(?:.1)?/[a-z0-9]{64})"
    ),
    "Square": r"sq0(?:csp|atp)-[0-9A-Za-z_\\\-]{22,43}",
    "Stripe": r"[rs]k_live_[0-9a-zA-Z]{24,}",
    "Telegram": r"[0-9]{8,10}:[0-9A-Za-z_\-]{35}",
    "Twilio": r"(?:AC|SK)[a-z0-9]{32}",
    "Watchkeeper": r"wk_[A-Za-z0-9_\-]{43}",
}
"""Issuer and form. Those that are too short or common without a context keep the context in the form."""
_SECRET = re2.compile("|".join(f"(?:{form})" for form in _FORMS.values()))
_HINTS = (
    r"A3T|ABIA|ACCA|AKIA|ASIA|sk-|AKC|AP[0-9A-F]|AccountKey=|://|gh[pousr]_|github_pat_|gl[a-z]{2,6}-|GR1348941|AIza"
    r"|ya29|GOCSPX|hf_|eyJ|-us[0-9]|npm_|_authToken|PRIVATE\sKEY|PuTTY-User|pypi-Ag|SG\.|(?i:xox[abposr]-|hooks\.slack)|softlayer|sq0"
    r"|k_live_|[0-9]{8}:|AC[a-z0-9]{32}|SK[a-z0-9]{32}|wk_|[MNO][a-zA-Z0-9_\-]{23,25}\."
    r"|(?i:(?:aws|softlayer|cl|clou|cloudant|ibm|iam|cloud|cos|sl|secret)[a-z_\- ]{0,24}(?:key|pwd|pw|pass|token))"
)
PREFILTER = _HINTS
"""A part of each form, so that texts without one are left out in one pass."""


def find(text: str) -> Iterator[PersonalDatum]:
    """The secrets in a text."""
    for start, end in spans(_SECRET, text):
        yield PersonalDatum(start, end, text[start:end])
