"""What schemathesis needs to know of the API beyond the OpenAPI document: see scripts/check_api.sh."""

import os

import requests
import schemathesis

ADDRESS, TOKEN = os.environ["API_ADDRESS"], os.environ["API_TOKEN"]
TAPE = (
    "seller_loan_number,loan_amount,note_rate,ltv_ratio,dti_ratio,credit_score,property_type,occupancy_status,loan_purpose,"
    "purchase_price,appraisal_value\n"
    "L-1,250000,6.5,80,35,720,sfr,primary,purchase,312500,312500\n"
    "L-2,250000,6.5,80,35,500,sfr,primary,purchase,312500,\n"
)


def ask(method, path, **body):
    answer = requests.request(method, ADDRESS + path, headers={"Authorization": f"Bearer {TOKEN}", "Prefer": "wait=25"}, **body)
    answer.raise_for_status()
    return answer.json()


# Data that requests can find: a team, a user, tapes, and a run that has ended.
TEAM = ask("POST", "/api/sales-teams", json={"name": "West"})["id"]
ME = ask("GET", "/api/auth/me")["id"]
USER = ask(
    "POST",
    "/api/auth/register",
    json={"username": "wes", "email": "wes@example.com", "password": "not a secret", "role": "sales_team", "sales_team_id": TEAM},
)["id"]
for path in ("tape.csv", "folder/tape.csv"):
    ask("POST", f"/api/files/upload?path={path}", files={"file": ("tape.csv", TAPE)})
RUN = ask("POST", "/api/pipeline/run", json={"files": ["folder/tape.csv"]})
assert RUN["status"] == "completed", RUN

KNOWN = {
    "run_id": [RUN["run_id"]],
    "user_id": [USER],
    "sales_team_id": [TEAM],
    "output_key": ["purchase_tape", "projected_tape", "rejection_report", "exception_summary"],
    "path": ["folder/tape.csv", "folder", "input/tape.csv"],
}


def with_known(values):
    """Replaces some values by ones that exist. The same value always gets the same replacement."""
    for name, known in KNOWN.items():
        value = (values or {}).get(name)
        if isinstance(value, str) and value:
            chosen = sum(value.encode(errors="replace"))
            if chosen % 3 < 2:
                values[name] = known[chosen // 3 % len(known)]
    return values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return with_known(path_parameters)


@schemathesis.hook
def map_query(context, query):
    return with_known(query)


@schemathesis.hook
def before_call(context, case, kwargs):
    # Never change the user of these requests: a new password would end its token. The tests check that users cannot take away
    # their own rights.
    if case.path_parameters and case.path_parameters.get("user_id") == ME:
        case.path_parameters["user_id"] = USER
