"""`python -m engine <verb>`: parse, run the verb, and turn errors into one clear line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong use (nothing was changed), 130 stopped by the user.
"""

from __future__ import annotations

import importlib
import sys

from engine.cli import parser
from engine.errors import EngineError

MODULES = {
    "preview": "runs",
    "up": "runs",
    "refresh": "runs",
    "destroy": "runs",
    "outputs": "outputs",
    "config": "configuration",
    "stack": "stacks",
    "export": "transfer",
    "import": "transfer",
    "cancel": "stacks",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command."""
    options = parser().parse_args(arguments)
    # Only what the verb needs is imported: reading outputs must not pay for gRPC.
    command = importlib.import_module(f"engine.commands.{MODULES[options.verb]}")
    try:
        code: int = command.run(options)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.next_command:
            print(f"  try: {error.next_command}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
