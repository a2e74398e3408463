"""What `muster` and `python -m muster` begin with."""

import gc
import os


def main() -> None:
    # Hundreds of modules are read before anything happens, and all of what they make stays: to look for garbage in it
    # again and again takes a tenth of that time.  `muster.cli` has it looked for again once the command is there.
    gc.disable()
    # Nor does any plug-in of pydantic's have to be looked for among all that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from muster.cli import app  # noqa: PLC0415

    app()


if __name__ == "__main__":
    main()
