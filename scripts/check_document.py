"""Validates the OpenAPI document at a URL: that it is OpenAPI 3.1, and that each example fits its schema. See check_api.sh."""

import sys

import requests
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

DOCUMENT = requests.get(sys.argv[1], timeout=30).json()
MISTAKES = []


def resolved(value):
    """Resolves a reference."""
    if not isinstance(value, dict) or "$ref" not in value:
        return value
    found = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def check(place, schema, value):
    """Records why a value does not fit its schema."""
    validator = OAS31Validator({**schema, "components": DOCUMENT["components"]}, format_checker=OAS31Validator.FORMAT_CHECKER)
    MISTAKES.extend(f"{place}: {error.message}" for error in validator.iter_errors(value))


def check_contents(place, described):
    """Checks the examples of all media types of a body."""
    for media_type, content in described.get("content", {}).items():
        examples = [resolved(example)["value"] for example in content.get("examples", {}).values()]
        if "example" in content:
            examples.append(content["example"])
        for example in examples:
            check(f"{place} {media_type}", content["schema"], example)


MISTAKES.extend(f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors())
for path, verbs in DOCUMENT["paths"].items():
    for verb, operation in verbs.items():
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                check(f"{verb} {path} {parameter['name']}", parameter["schema"], parameter["example"])
        check_contents(f"{verb} {path}", resolved(operation.get("requestBody", {})))
        for status, answer in operation["responses"].items():
            check_contents(f"{verb} {path} {status}", resolved(answer))
for name, schema in DOCUMENT["components"]["schemas"].items():
    for field, of in schema.get("properties", {}).items():
        if "example" in of:
            check(f"{name}.{field}", of, of["example"])

if MISTAKES:
    sys.exit("\n".join(["The OpenAPI document has mistakes:", *MISTAKES]))
print("The OpenAPI document is valid, and its examples fit.")
