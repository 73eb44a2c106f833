"""Sphinx extension: run the chapters side by side, and keep their outputs in a folder named after
what the outputs depend on.

Jupyter Book's cache compares a chapter's cells and nothing else: after a change in the package or
in the recorded results it would serve old outputs. Here the cache folder's name is a hash of
`symla_lite/`, `data/`, the lock file, the Python version and the number of cores, so such a change
runs the chapters again.

Jupyter Book would run one chapter after the other, and much of a chapter keeps a single core busy:
its kernel starts, JAX traces, XLA compiles. So before anything is read, the chapters that are not
in the cache are run there, as many at a time as there are cores.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import shutil
import sys
from pathlib import Path

from jupyter_cache import get_cache
from myst_nb.core.execute import ExecutionError, create_client
from myst_nb.core.read import create_nb_reader

from symla_lite import machine

KEPT = 3  # folders that stay: going back to an earlier state of the package costs no new run


def dependencies(root: Path) -> list[Path]:
    """The files below `root`, besides the chapters, that decide what a chapter prints."""
    code = (root / "symla_lite").rglob("*.py")
    data = (
        path  # a run that is under way changes no result yet
        for path in (root / "data").rglob("*")
        if path.is_file() and ".checkpoint" not in path.name
    )
    return sorted([*code, *data, root / "requirements.lock"])


def cache_key(root: Path) -> str:
    """A short hash of everything but the chapters that decides what a chapter prints."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform} {machine.cores()}".encode())
    for path in dependencies(root):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def cache_folder(root: Path, caches: Path, kept: int = KEPT) -> Path:
    """Make the folder of `caches` for the present state of `root`; keep the last `kept` folders."""
    folder = caches / cache_key(root)
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    others = sorted(
        (path for path in caches.iterdir() if path != folder), key=lambda path: path.stat().st_mtime
    )
    for old in others[: max(0, len(others) - (kept - 1))]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    return folder


def _name_the_cache(app, config) -> None:
    config.nb_execution_cache_path = str(
        cache_folder(Path(app.srcdir), Path(app.outdir).parent / ".jupyter_cache")
    )


class _Silent:
    """Hears what myst-nb has to say. It says it again when it reads the chapter."""

    def info(self, *_, **__):
        pass

    debug = warning = info


def _run(env, docname: str) -> None:
    """Run a chapter as myst-nb would, unless its outputs are in the cache or it is no chapter."""
    path = env.doc2path(docname)
    text, config = Path(path).read_text("utf-8"), env.mystnb_config
    reader = create_nb_reader(path, env.myst_config, config, text)
    if reader is None:
        return
    notebook = reader.read(text)
    own = dict(notebook.metadata.get(config.metadata_key, {}))
    with contextlib.suppress(ExecutionError):  # whose report is myst-nb's
        with create_client(notebook, path, config.copy(**own), _Silent(), reader.read_fmt):
            pass


def _run_side_by_side(app, env, docnames: list[str]) -> None:
    get_cache(app.config.nb_execution_cache_path).list_cache_records()  # makes it, once
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        list(pool.map(lambda docname: _run(env, docname), docnames))


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", _name_the_cache)
    app.connect("env-before-read-docs", _run_side_by_side)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
