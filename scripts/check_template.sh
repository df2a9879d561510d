#!/usr/bin/env bash
# Checks template.yaml with cfn-lint, SAM and checkov. The script installs them into target/ once; they need neither AWS nor
# credentials.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(scripts/python_tools.sh template)

# Linting needs a region, but no check depends on which one.
export AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
"$tools/bin/cfn-lint"
"$tools/bin/sam" validate --lint
"$tools/bin/checkov" --config-file .checkov.yaml --skip-download
