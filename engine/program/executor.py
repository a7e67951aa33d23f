"""Runs one Pulumi program with the stock SDK, inside the program's own interpreter.

It does what the official language host's executor does: configure the runtime, run the program, report an exception with
the user's frames only. It imports nothing of the engine, because the program's environment need not have it. The SDK is
imported before the engine sends the options on standard input, so that a run can be prepared while another one is on.
Arguments: one JSON object with monitor, engine, project, stack, organization, parallel, dry_run, root_directory, program.
"""

from __future__ import annotations

import asyncio
import json
import logging
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = str(Path(__file__).parent)
sys.path[:] = [entry for entry in sys.path if entry != HERE]  # the program's own folder is put there by runpy

SHOWN = 32  # the exit code for "the error was shown already", as in the official executor


def main() -> int:
    """Run the program: 0 done, 1 the engine ended it, 32 it failed and reported why."""
    try:
        import pulumi
        import pulumi.runtime
    except ImportError as error:
        sys.stderr.write(f"the program's environment has no Pulumi SDK ({error}); install its requirements\n")
        return 1
    options = json.loads(sys.stdin.readline() or "null")
    if options is None:  # prepared, but not needed
        return 0
    program = options.pop("program")
    pulumi.runtime.set_all_config(options.pop("config"), options.pop("secret_keys"))
    pulumi.runtime.configure(pulumi.runtime.Settings(**options))
    sys.argv = [program]
    # The program may leave futures unobserved when a resource fails; that is not worth a warning.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return _run(program, options["parallel"])


def _run(program: str, parallel: int) -> int:
    import pulumi
    import pulumi.runtime

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max(parallel, 1) * 4)
    loop.set_default_executor(executor)

    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the program raises is shown
        pulumi.log.error(f"the program raised an exception:\n{_users_frames(error, program)}")
        return SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return 0


def _users_frames(error: BaseException, program: str) -> str:
    """The traceback from the first frame inside the program's folder on; without one, where it was raised."""
    path = Path(program).resolve()
    folder = path.parent if path.suffix == ".py" else path
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if _is_users(frame.filename, folder)), -1)
    lines = traceback.format_list(frames[first:]) if frames else []
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def _is_users(name: str, folder: Path) -> bool:
    """Whether a frame is of the program itself: not <frozen runpy>, not of a virtual environment in its folder."""
    path = Path(name).resolve()
    return name[0] != "<" and path.is_relative_to(folder) and "site-packages" not in path.parts


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
