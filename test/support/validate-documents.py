"""Validates the documents of `pyflow inspect` with the libraries of the formats' own projects."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

folder = sys.argv[1]
text = open(f"{folder}/cyclonedx.json").read()
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
assert problem is None, problem
for component in json.loads(text)["components"]:
    PackageURL.from_string(component["purl"])

messages = validate_full_spdx_document(parse_file(f"{folder}/spdx.json"))
assert messages == [], messages

statement = json.load(open(f"{folder}/slsa.json"))
predicate = json_format.ParseDict(statement["predicate"], provenance_pb2.Provenance())
assert predicate.run_details.builder.id
message = json_format.ParseDict(statement, statement_pb2.Statement())
wrapped = Statement(list(message.subject), message.predicate_type, dict(statement["predicate"]))
wrapped.validate()
print("valid")
