"""The `muster` command: one group a file in `muster/commands/`.

Groups are imported when they are asked for, so that `muster` itself starts quickly.
"""

import gc
import importlib
from typing import Annotated, Any

import typer
from typer._click.core import Command, Context
from typer._click.formatting import HelpFormatter
from typer.core import TyperGroup

# command -> (module, attribute, one line of help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("muster.commands.run", "up", "Everything in one process: database, topics, worker, web pages."),
    "worker": ("muster.commands.run", "worker", "Run a worker."),
    "console": ("muster.commands.run", "console", "Serve the web pages: one-click opt-out, health, metrics."),
    "demo": ("muster.commands.demo", "demo", "Rehearse a whole night and report what the gateway saw."),
    "request": ("muster.commands.requests", "app", "File a help request, verify it, list what came in."),
    "appeal": ("muster.commands.appeals", "app", "Preview, launch, watch, pause and stop appeals."),
    "replay": (
        "muster.commands.replay",
        "replay",
        "Decide an appeal again from the log, and with --check compare.",
    ),
    "answer": ("muster.commands.people", "answer_app", "Write down what a caller said, and see who waits for a call."),
    "confirm": ("muster.commands.people", "confirm", "Record the screening of a member who said yes."),
    "desk": ("muster.commands.desk", "app", "Replies that wait for a person."),
    "members": ("muster.commands.members", "app", "Import, generate, show, opt out and erase members."),
    "topics": ("muster.commands.log", "topics_app", "Create the topics, or check them."),
    "database": ("muster.commands.database", "app", "Make the database, or bring it up to date."),
    "backup": ("muster.commands.state", "backup", "Write log and database into one file, while the worker works on."),
    "restore": ("muster.commands.state", "restore", "Bring a backup back, where no state is and no worker runs."),
    "dead-letters": ("muster.commands.log", "letters_app", "What could not be used, and why."),
    "schemas": ("muster.commands.log", "schemas_app", "The published types as JSON Schema."),
    "smsc-sim": (
        "muster.commands.simulate",
        "smsc_sim",
        "An SMS gateway for rehearsals, with simulated people behind it.",
    ),
    "doctor": ("muster.commands.doctor", "doctor", "Check database, log, worker, gateway, clock and disk."),
}


class LazyGroup(TyperGroup):
    """Imports a command's module when it is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), attribute)
        gc.enable()  # see `muster.__main__`
        return _command(cmd_name, found)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


def _command(name: str, found: Any) -> Command:  # noqa: ANN401 - a Typer app or a function
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        # Not `get_command`: that makes a group of one command that command itself, and `muster answer record` would fail.
        command: Command = typer.main.get_group(found)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Muster (驰援) finds the few members who fit, asks them, understands their answers and stops in time.\n\n"
    "A night in four commands:  muster up   ·   muster request file SPEC   ·   muster request verify ID   ·   "
    "muster appeal launch ID\n\n"
    "Exit codes: 0 done, 1 the check found a difference, 2 bad input, 3 refused, 4 something cannot be reached.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely asked for

        typer.echo(version("muster"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the options of every command with `muster COMMAND --help`."""
