"""What somebody types who wants to look around in a rehearsal that was kept."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from muster.demo.site import Site


def write_tour(site: Site, processes: Sequence[int]) -> str:
    """Write the settings of the rehearsal to a file, and say how to use it and how to end everything."""
    folder = site.plan.folder
    settings = {name: value for name, value in site.environment.items() if name.startswith("MUSTER_")}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
    programs = shlex.quote(str(Path(sys.executable).parent))
    (folder / "settings.sh").write_text("\n".join([*lines, f'export PATH={programs}:"$PATH"', ""]), encoding="utf-8")
    numbers = " ".join(map(str, processes))
    return f"""
Gateway and worker go on running.  Look around, in this terminal or another one:

  . {shlex.quote(str(folder / "settings.sh"))}
  muster appeal list                     # then: muster appeal status APPEAL_ID
  muster appeal preview {shlex.quote(str(folder / "story.yaml"))}
  muster doctor

What the gateway saw: {site.witness.url}/counts     Logs: {folder}/*.log
End it with:  kill {numbers}; rm -r {shlex.quote(str(folder))}"""
