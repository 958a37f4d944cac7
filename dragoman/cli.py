"""The command `dragoman`. What it imports is checked to be ours before any of it is run."""

from __future__ import annotations

import sys

from dragoman.garbage import look_seldom
from dragoman.identity import check_or_exit

check_or_exit()

look_seldom()


def main() -> None:
    """Run the command; every error becomes words and an exit code here, and nowhere else."""
    from dragoman.app import app
    from dragoman.console import FAILED, show_defect, show_error
    from dragoman.extras import missing
    from translators.errors import DragomanError

    try:
        app()
    except DragomanError as error:
        show_error(error)
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        known = missing(error)
        if known is None:
            show_defect(error)
        else:
            show_error(known)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - the last place: what nobody foresaw is shown as a defect
        show_defect(error)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
