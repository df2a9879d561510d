#!/usr/bin/env bash
# Checks template.yaml by cfn-lint, SAM and checkov. They are installed into target/ once, and need neither AWS nor credentials.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(scripts/python_tools.sh template)

# Linting needs a region, and none of what it checks depends on which.
export AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
"$tools/bin/cfn-lint"
"$tools/bin/sam" validate --lint
"$tools/bin/checkov" --config-file .checkov.yaml --skip-download
