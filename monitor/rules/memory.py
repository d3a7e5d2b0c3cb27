"""What rules found when they last asked. A condition answers from measurements alone, so the very same ones give the
same answer, and of hundreds of rules over thousands of features only those are judged again whose figures are new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.records import Measurement, Stream
from monitor.rules.condition import Findings, Question, Source
from monitor.rules.readings import Past
from monitor.rules.rule import Rule


@dataclass(slots=True)
class _Heard:
    """A source that notes what was read from it."""

    source: Source
    read: list[tuple[int, str, Sequence[Measurement]]] = field(default_factory=list)
    looked_back: bool = False

    @property
    def past(self) -> Past:
        """What was measured earlier; another answer may come at another time."""
        self.looked_back = True
        return self.source.past

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """What the source finds."""
        found = self.source.find(stream, seconds, metric)
        self.read.append((seconds, metric, found))
        return found


@dataclass(frozen=True, slots=True)
class _Answer:
    rule: Rule
    read: Sequence[tuple[int, str, Sequence[Measurement]]]
    findings: Findings


class Memory:
    """The last findings of each rule on each stream, with the measurements that they were made from."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, Stream], _Answer] = {}

    def findings(self, rule: Rule, question: Question) -> Findings:
        """What the rule finds: as before where it would read the very same measurements, else judged anew."""
        key = (rule.name, question.stream)
        answer = self._answers.get(key)
        find = question.readings.find
        if (
            answer is not None
            and answer.rule is rule
            and all(find(question.stream, seconds, metric) is found for seconds, metric, found in answer.read)
        ):
            return answer.findings
        heard = _Heard(question.readings)
        findings = rule.condition.judge(Question(question.stream, heard, question.by, question.now))
        if heard.looked_back:
            self._answers.pop(key, None)
        else:
            self._answers[key] = _Answer(rule, heard.read, findings)
        return findings
