"""Queries the results of a run with DuckDB, as users do: check_parquet.py TAPE ANSWER.json OUT."""

import csv
import json
import sys
from collections import Counter
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import duckdb

# Types that a column may have. Values of other types cannot be added up, multiplied or read as text.
TYPES = {"VARCHAR", "BIGINT", "INTEGER", "DATE", "DECIMAL(14,2)", "DECIMAL(9,6)", "DECIMAL(9,4)", "DECIMAL(15,6)"}
# How the results store the states of the tape.
STATES = {"CA": "CA", "texas": "TX"}
# Averages of the summary, each with its column.
AVERAGES = {
    "wac": "note_rate",
    "wa_ltv": "ltv_ratio",
    "wa_dti": "dti_ratio",
    "wa_credit_score": "credit_score",
    "wa_price": "final_price",
}
HEADER_LINE = 4

tape, answer, out = sys.argv[1:]
with open(answer, encoding="utf-8") as file:
    summary = json.load(file, parse_float=Decimal, parse_int=Decimal)["summary"]
facts, exceptions = f"'{out}/facts.parquet'", f"'{out}/exceptions.parquet'"
failures = []


def ask(query):
    """Returns the rows that a query gives."""
    return duckdb.sql(query).fetchall()


def expect(what, found, wanted):
    """Records an answer that differs from the right one."""
    if found != wanted:
        failures.append(f"{what}: DuckDB says {found}, and {wanted} is right")


def rounded(value, decimals):
    """Rounds a number to this many decimals; `None` stays `None`."""
    return None if value is None else Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)


def check_types():
    """Every column has one of the TYPES."""
    for file in (facts, exceptions):
        for name, kind, *_ in ask(f"DESCRIBE SELECT * FROM {file}"):
            if kind not in TYPES:
                failures.append(f"{file}: {name} is {kind}")


def check_dollars():
    """Dollars to pay, with the query of the README and exactly, against the purchase tape."""
    with open(f"{out}/purchase_tape.csv", encoding="utf-8", newline="") as file:
        bought = list(csv.DictReader(file))
    paid = sum(Decimal(loan["loan_amount"]) * Decimal(loan["final_price"]) for loan in bought) / 100
    [[as_asked, product]] = ask(
        "SELECT sum(loan_amount * final_price / 100), sum(loan_amount * final_price)"
        f" FROM {facts} WHERE disposition = 'to_purchase'"
    )
    expect("dollars to pay, to the cent", rounded(as_asked, 2), rounded(paid, 2))
    expect("dollars to pay, exactly", Decimal(product) / 100, paid)
    expect("there are loans to pay for", bool(bought), True)


def check_averages():
    """Counts, balances and averages weighted by balance of each disposition, against the summary."""
    averages = ", ".join(
        f"sum(loan_amount * {column}) / sum(loan_amount) FILTER ({column} IS NOT NULL)" for column in AVERAGES.values()
    )
    query = f"SELECT disposition, count(*), sum(loan_amount), {averages} FROM {facts} GROUP BY disposition"
    found = {disposition: answers for disposition, *answers in ask(query)}
    expect("dispositions", sorted(found), sorted(summary["dispositions"]))
    for disposition, (count, balance, *means) in found.items():
        wanted = summary["dispositions"][disposition]
        expect(f"{disposition}, count", Decimal(count), wanted["count"])
        expect(f"{disposition}, balance", balance, wanted["balance"])
        for name, mean in zip(AVERAGES, means):
            expect(f"{disposition}, {name}", rounded(mean, 4), rounded(wanted[name], 4))


def check_kept_columns():
    """Loans by county, a column of the tape that is only kept, against the tape."""
    with open(tape, encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))[HEADER_LINE - 1 :]
    county = header.index("County")
    wanted = Counter(row[county] for row in rows if len(row) == len(header))
    query = f"""
        SELECT json_extract_string(source_columns, '$.County') AS county, count(*) FROM {facts}
        WHERE source_columns IS NOT NULL GROUP BY county"""
    expect("loans by county", dict(ask(query)), dict(wanted))
    expect("there are counties", len(wanted) > 1, True)


def check_standard_fields():
    """Loans, the last maturity and the average term of each state, and a field that the tape does not have."""
    with open(tape, encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))[HEADER_LINE - 1 :]
    state = header.index("State")
    counts = Counter(STATES[row[state]] for row in rows if len(row) == len(header))
    found = ask(
        "SELECT property_state, count(*), max(maturity_date), avg(original_term), max(year(maturity_date)) - max(original_term) / 12"
        f" FROM {facts} WHERE property_state IS NOT NULL GROUP BY property_state ORDER BY property_state"
    )
    wanted = [("CA", counts["CA"], date(2056, 12, 1), 360, 2026), ("TX", counts["TX"], date(2041, 12, 1), 180, 2026)]
    expect("states", found, wanted)
    expect("loans with a field that the tape does not have", ask(f"SELECT count(paid_through_date) FROM {facts}"), [(0,)])


def check_exceptions():
    """How often each rule failed, and by how much on average, against the summary and the texts of the exceptions."""
    counts = dict(ask(f"SELECT exception_type, count(*) FROM {exceptions} GROUP BY exception_type"))
    expect("exceptions by type", counts, {name: int(count) for name, count in summary["eligibility_checks"]["exceptions_by_type"].items()})
    rows = ask(f"SELECT excess, actual, \"limit\" FROM {exceptions} WHERE excess IS NOT NULL AND exact_excess IS NULL")
    for excess, actual, limit in rows:
        expect(f"the excess of {actual} over {limit}", excess, abs(Decimal(actual) - Decimal(limit.split()[-1])))
    expect("there are excesses", bool(rows), True)
    [[total]] = ask(f"SELECT sum(excess * 2) / 2 FROM {exceptions} WHERE exact_excess IS NULL")
    expect("the sum of excesses", rounded(total, 4), rounded(sum(row[0] for row in rows), 4))


for check in (check_types, check_dollars, check_averages, check_kept_columns, check_standard_fields, check_exceptions):
    try:
        check()
    except duckdb.Error as error:
        failures.append(f"{check.__name__}: {error}")
if failures:
    sys.exit("\n".join(failures))
print("DuckDB reads the results as intended")
