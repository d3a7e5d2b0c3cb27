"""What is an expression, and what is said of a text that is none."""

import pytest

from monitor.expressions.expression import compile_expression
from monitor.expressions.grammar import ExpressionError

REFUSED = {
    "": (1, "is empty"),
    "amount": (1, "is a value of each row, not of all"),
    "mean(a) + b": (11, "is a value of each row, not of all"),
    "sum(a": (4, "was never closed"),
    "__import__('os').system('x')": (1, "unknown function"),
    "sum(().__class__)": (5, "Attribute is not allowed"),
    "sum(abs(().__class__))": (9, "Attribute is not allowed"),
    "sum(features)": (5, "features is a group"),
    "share(features.paid == true)": (24, "write True, or features.true if true is a feature"),
    "count(amount == NULL)": (17, "write None"),
    "sum(amount, where=(features.region != nan))": (39, "write None"),
    "sum(outcome.rain)": (5, "an outcome has no rain"),
    "sum(sum(a))": (5, "sum is over all rows"),
    "sum(open('x'))": (5, "unknown function open"),
    "sum(lambda x: 1)": (5, "Lambda is not allowed"),
    "sum(a for a in b)": (4, "GeneratorExp is not allowed"),
    "sum([a])": (5, "List is not allowed"),
    "sum(a[0])": (5, "Subscript is not allowed"),
    "sum(f'{a}')": (5, "JoinedStr is not allowed"),
    "sum(b'x')": (5, "is not a number, text"),
    "sum(1e999)": (5, "is not a number, text"),
    "sum(a % 2)": (5, "unknown operator"),
    "sum(a, wher=b)": (1, "takes no other named value than where="),
    "sum(a if b in c else 1)": (15, "`in` needs a list"),
    "sum(a == 1 is None)": (5, "`is` asks whether a column is missing"),
    "sum(a) ** sum(b)": (11, "an exponent is a number"),
    "quantile(a, 2)": (13, "is not a share between 0 and 1"),
    "quantile(a, 0.5) + 1": (1, "quantile stands alone"),
    "sum(truth) + sum(reviewed)": (1, "become known at different times"),
    "mean(a)+mean(b)+mean(c)+mean(d)+mean(e)+mean(f)+mean(g)": (1, "more than 6 sums"),
    "x := 3": (3, "invalid syntax"),
    "sum(é) + ü": (10, "is a value of each row"),
    "sum(" + "(" * 300 + "a" + ")" * 301: (204, "too many nested parentheses"),
    "-" * 900 + "sum(a)": (1, "too many parts"),
    "sum(" + "-" * 60 + "a)": (45, "nested too deeply"),
    "sum(a) + " + "1 + " * 300 + "1": (1000, "characters"),
    "sum(a)\0": (1, ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_expression_is_told_with_its_character(text: str) -> None:
    character, reason = REFUSED[text]
    with pytest.raises(ExpressionError) as told:
        compile_expression(text)
    assert reason in str(told.value)
    assert str(told.value).startswith(f"at character {character}:")


def test_names_are_columns_of_records() -> None:
    found = compile_expression(
        'sum(amount * (prediction == "ok") * (truth == "fraud")) / count(segments["a  b"] is None)'
    )
    assert found.columns == {"features.amount", "prediction", "outcome.truth", "segments.a  b"}
    assert found.outcome == "truth"
    assert found.features == {"features.amount"}
    assert compile_expression("mean(features.address.zip)").columns == {"features.address.zip"}
    assert compile_expression("mean(delay)").outcome == "truth"


def test_spaces_make_no_other_expression() -> None:
    digests = {compile_expression(text).digest for text in ("sum(a)/count()", " sum( a )\n / count() ")}
    assert len(digests) == 1
    assert compile_expression("sum(a) / count(a)").digest not in digests
