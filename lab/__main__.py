"""`vmlab <verb>`: parse, run the verb, and turn errors into one clear line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 nothing could be measured.
"""

from __future__ import annotations

import sys

from lab.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
