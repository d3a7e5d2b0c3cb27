"""What runs with the packages of the bench alone: other tools, and generators of personal data.

Reads `{"job": ..., "tool": ..., "texts": [...]}` as JSON from standard input, and writes the answer as JSON. It imports
nothing of Watchkeeper, so that the packages of the two never meet.
"""

import contextlib
import json
import random
import sys
import time

SEED = 20_261_129
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "sv_SE")
NATIONAL = {
    "US": "en_US",
    "FR": "fr_FR",
    "IT": "it_IT",
    "PL": "pl_PL",
    "SE": "sv_SE",
    "BE": "nl_BE",
    "CH": "de_CH",
    "BR": "pt_BR",
    "FI": "fi_FI",
}


def generate(n):
    """`n` values of each kind of personal data, made by Faker, or drawn until python-stdnum accepts them."""
    from faker import Faker
    from stdnum.de import idnr
    from stdnum.es import dni, nie

    draw = random.Random(SEED)
    fakes = {locale: Faker(locale) for locale in {*LOCALES, *NATIONAL.values()}}
    for place, locale in enumerate(sorted(fakes)):
        fakes[locale].seed_instance(SEED + place)
    spaced = lambda text: " ".join(text[i : i + 4] for i in range(0, len(text), 4))  # noqa: E731
    any_of = lambda: fakes[draw.choice(LOCALES)]  # noqa: E731
    either = lambda text: draw.choice((text, spaced(text)))  # noqa: E731
    drawn = lambda size, check: next(  # noqa: E731
        one for one in iter(lambda: str(draw.randrange(10 ** (size - 1), 10**size)), "") if check(one)
    )
    letters = "ABCEGHJKLMNPRSTWXYZ"
    values = {
        "card": [either(any_of().credit_card_number()) for _ in range(n)],
        "iban": [either(any_of().iban()) for _ in range(n)],
        "mail": [any_of().email() for _ in range(n)],
        "phone": [any_of().phone_number() for _ in range(n)],
        "ip": [draw.choice((any_of().ipv4_public, any_of().ipv6))() for _ in range(n)],
    }
    for country, locale in NATIONAL.items():
        values[f"national id {country}"] = [fakes[locale].ssn() for _ in range(n)]
    values["national id DE"] = [drawn(11, idnr.is_valid) for _ in range(n)]
    numbers = [draw.randrange(10**8) for _ in range(n)]
    values["national id ES"] = [
        f"{one:08}{dni.calc_check_digit(f'{one:08}')}"
        if draw.random() < 0.5
        else f"X{one % 10**7:07}{nie.calc_check_digit(f'X{one % 10**7:07}')}"
        for one in numbers
    ]
    values["national id GB"] = [
        f"A{draw.choice(letters)} {one % 100:02} {one // 100 % 100:02} {one // 10**4 % 100:02} {draw.choice('ABCD')}"
        for one in numbers
    ]
    return values


def secrets(n):
    """Strings that detect-secrets' named detectors accept, made from their own regular expressions."""
    found = {}
    for name, patterns in _named_detectors().items():
        own = [text for pattern in patterns for text in _matching(pattern, n)]
        found[name] = sorted(set(own))[:n]
    return {name: texts for name, texts in found.items() if texts}


def _matching(pattern, n):
    """Up to `n` texts that a regular expression matches; none if it has parts from which none can be made."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException

    found = []
    printable = st.characters(min_codepoint=32, max_codepoint=126)

    @seeded(SEED)
    @settings(
        max_examples=n,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(st.from_regex(pattern, fullmatch=True, alphabet=printable))
    def collect(text):
        found.append(text)

    with contextlib.suppress(HypothesisException):
        collect()
    return found


_LEFT_OUT = ("base", "ip_public", "jwt")
"""No secret, and tokens that are checked by more than their form."""


def _named_detectors():
    import importlib
    import pkgutil

    import detect_secrets.plugins as plugins
    from detect_secrets.plugins.base import RegexBasedDetector

    found = {}
    for module in pkgutil.iter_modules(plugins.__path__):
        loaded = importlib.import_module(f"detect_secrets.plugins.{module.name}")
        for one in vars(loaded).values():
            is_detector = isinstance(one, type) and issubclass(one, RegexBasedDetector)
            if is_detector and one.__module__ == loaded.__name__ and module.name not in _LEFT_OUT:
                found[one.secret_type] = list(one().denylist)
    return found


def scan(tool, texts):
    """Whether a tool finds anything in each text, and its CPU time a text in microseconds."""
    check = TOOLS[tool]()
    check(texts[0])
    began = time.process_time()
    flags = [bool(check(text)) for text in texts]
    return {"flags": flags, "microseconds": (time.process_time() - began) / len(texts) * 1e6}


def _injection_guard():
    import prompt_shield

    scanner = prompt_shield.PromptScanner()
    return lambda text: scanner.scan(text).severity != "SAFE"


def _injectionshield():
    import injectionshield

    return lambda text: not injectionshield.scan(text).safe


def _detect_secrets():
    detectors = _named_detectors()
    return lambda text: any(
        pattern.search(line)
        for line in text.splitlines()
        for patterns in detectors.values()
        for pattern in patterns
    )


def _datafog():
    import datafog

    return lambda text: datafog.scan(text, engine="regex").entities


def _presidio():
    import logging

    logging.disable(logging.CRITICAL)
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self):
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self):
            pass

        def is_loaded(self):
            return True

    wanted = [
        *(
            "CREDIT_CARD",
            "IBAN_CODE",
            "EMAIL_ADDRESS",
            "PHONE_NUMBER",
            "IP_ADDRESS",
            "US_SSN",
            "UK_NINO",
            "ES_NIF",
        ),
        *("ES_NIE", "IT_FISCAL_CODE", "PL_PESEL", "FI_PERSONAL_IDENTITY_CODE"),
    ]
    engine = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])
    known = [one for one in wanted if one in engine.get_supported_entities("en")]
    return lambda text: [
        one for one in engine.analyze(text, language="en", entities=known) if one.score >= 0.4
    ]


TOOLS = {
    "ai-injection-guard": _injection_guard,
    "injectionshield": _injectionshield,
    "detect-secrets (named detectors)": _detect_secrets,
    "datafog": _datafog,
    "presidio-analyzer (no model)": _presidio,
}


def main():
    """Do one job."""
    order = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    jobs = {"generate": lambda: generate(order["n"]), "secrets": lambda: secrets(order["n"])}
    answer = jobs[order["job"]]() if order["job"] in jobs else scan(order["tool"], order["texts"])
    json.dump(answer, out)


if __name__ == "__main__":
    main()
