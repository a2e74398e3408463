# The checks that need no test; sourced by scripts/check and scripts/test.
.venv/bin/ruff format --check --quiet || { echo "Remedy: .venv/bin/ruff format" >&2 && exit 1; }
.venv/bin/ruff check --quiet
.venv/bin/mypy --no-error-summary
layers=$(.venv/bin/lint-imports --no-logo) || { echo "$layers" >&2 && exit 1; }
echo "Format, rules, types and layers: clean"
