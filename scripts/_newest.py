"""What the newest `anthropic` and `openai` packages can send that this server does not know."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent))

from tests.dialects.package_requests import findings, is_known, versions


def main() -> int:
    """Print a line for each; the exit status is 1 if there are any."""
    print(versions())
    left = [(request, finding) for request, finding in findings() if not is_known(finding)]
    for request, finding in left:
        place = f"{request.package} {request.name}: {finding.what}"
        print(f"{place}: {finding.verdict}{f', {finding.reason}' if finding.reason else ''}")
    print(f"{len(left)} fields are neither taken nor named" if left else "all is taken or named")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
