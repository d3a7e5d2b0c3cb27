"""What is written under `fairness`, and what is wrong with it."""

from pathlib import Path

from monitor.config.root import check

MODELS = """\
clients:
  acme:
    models:
      good: {fairness: {groups: [sex, age band], favourable: true, reference: {sex: 1}, least: 50}}
      a: {fairness: {groups: [sex]}}
      b: {fairness: {groups: [features.sex], favourable: ok}}
      c: {fairness: {groups: [sex, sex], favourable: ok}}
      d: {fairness: {groups: [sex], favourable: 1, reference: {age: 1}}}
      e: {fairness: {groups: [sex], favourable: ok, least: 20}}
"""
TOLD = {
    "5": "groups require favourable: the answer that people want, such as approved",
    "6": "groups are segments, by their bare names: write sex, and send segments: {sex: ...}",
    "7": "a group is named twice",
    "8": "reference names age, which is not one of the groups",
    "9": "greater than or equal to 30",
}


def test_each_mistake_has_its_line_and_what_is_good_reaches_the_metrics(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(MODELS)
    found = check(file)
    problems = [str(one) for one in found.problems]
    for line, text in TOLD.items():
        assert any(f":{line}:" in one and text in one for one in problems), problems
    assert len(problems) == len(TOLD)
    file.write_text("\n".join(MODELS.splitlines()[:4]))
    config = check(file).config
    fairness = config.measuring().fairness["acme", "good"]
    assert (fairness.groups, fairness.favourable) == (("sex", "age band"), "true")
    assert (fairness.reference, fairness.least) == ({"sex": "1"}, 50)
