"""The page served to this computer only: starting, ending, and leaving nothing behind."""

from __future__ import annotations

import _thread
import json
import os
import secrets
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from .._base.checks import check_choice, check_number
from .._base.choices import LANGUAGES
from .._base.files import write_text
from .._base.signatures import checked
from .._base.types import Photos
from ..cache import cache_folder
from ..errors import InputError, LucasError, ModelError
from ..model import HabitatModel
from ..saved_models import as_model, load_model
from . import page
from .desk import Desk
from .guard import middleware
from .layout import import_gradio, lay_out, theme
from .texts import TEXTS
from .uploads import MAX_ZIP_BYTES

__all__ = ["run_app"]

_DEMO_POINTS = 80
_FOLDER = "lucas-habitat-app-"
_LOCK = "lock"
_GRACE = 20  # seconds to end in


@checked
def run_app(
    model: HabitatModel | str | os.PathLike[str] | None = None,
    *,
    port: int | None = None,
    corrections: str | os.PathLike[str] = "corrections.csv",
    photos: Photos | None = None,
    language: str = "en",
    open_browser: bool = True,
) -> None:
    """Try a model in the browser: drop photos, see what it says and why, correct it.

    The page shows each photo's class probabilities, the vote of a point's photos, where the model
    looked, the most similar training photos, and a warning where a photo is unlike anything in
    training. Corrected photos are kept in a review table, which `train` takes as
    ``corrections=``. The page is served to this computer only, to who knows its whole address (its
    path is drawn anew each time), and needs no network. Runs until it is interrupted (Ctrl-C) or
    terminated.

    What was dropped and not corrected is deleted with the next drop, when its tab is closed, and at
    the latest when the page ends. A process that is killed cannot do so: the next start, a minute
    later or more, deletes what it left.

    Parameters
    ----------
    model : HabitatModel, path or address, optional
        A model, or a folder, zip or address that `load_model` takes. Default: a demo model, trained on
        drawn photos on first use (a minute or two) and kept in the cache folder.
    port : int, optional
        Of 127.0.0.1, 1024 to 65535; default: the first free one from 7860.
    corrections : path, default "corrections.csv"
        The review table; it is made with the first correction, its photos beside it.
    photos : DataFrame, path or list of paths, optional
        The training photos (a photo table or folder, anything `list_photos` takes), to show the similar
        ones, and to know test points: corrections of these never enter training.
    language : {"en", "da"}, default "en"
        What the page speaks at first; it has a switch.
    open_browser : bool, default True

    Returns
    -------
    None
        When it was interrupted.

    Raises
    ------
    DependencyError
        If Gradio is not installed (extra ``app``).
    InputError
        If the port is taken, or an argument is out of range.
    ModelError
        If the folder holds no usable model.
    """
    serve(model, port, corrections, photos, language, open_browser)


def serve(
    model: HabitatModel | str | os.PathLike[str] | None,
    port: int | None,
    corrections: str | os.PathLike[str],
    photos: Photos | None,
    language: str,
    open_browser: bool,
    session: str | None = None,
) -> None:
    """Run the app until it is interrupted, or until a file is gone.

    ``session`` is how R holds on to the app: a file whose removal ends the app, on every system. R also
    keeps the other end of the pipe that stdin then is, which closes when R is killed. The address
    appears beside the file, in a file ``address``, whole or not at all: Windows would not let a file be
    replaced that R is reading.
    """
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    stack.callback(signal.signal, number, signal.signal(number, _interrupt))
        stack.enter_context(suppress(KeyboardInterrupt))
        if session is not None:
            _end_with_parent()
        served = stack.enter_context(served_page(model, port, corrections, photos, language))
        print(f"{TEXTS[language]['title']}: {served.url}  (Ctrl-C ends it)", flush=True)
        if session is not None:
            address = json.dumps({"url": served.url, "pid": os.getpid()})
            write_text(address, Path(session).with_name("address"))
        if open_browser:
            import webbrowser

            webbrowser.open(served.url)
        while session is None or os.path.exists(session):
            time.sleep(0.25)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt  # so that a termination, too, leaves no upload behind


def _end_with_parent() -> None:
    """End when the pipe on stdin closes, which it does when the process that holds it dies, however.

    This works on every system, where signals and asking for the parent's number do not. It is read by
    its number, because a thread that waits in sys.stdin would keep Python from ending.
    """

    def wait() -> None:
        while os.read(0, 4096):
            pass
        _thread.interrupt_main(signal.SIGTERM)
        time.sleep(
            _GRACE
        )  # for what cannot be interrupted at once, such as training the demo model
        os._exit(1)

    with suppress(OSError):  # stdin may be closed
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=wait, daemon=True).start()


class Served(NamedTuple):
    """A page that is being served."""

    url: str
    desk: Desk
    folder: Path  # of all uploads, gone when the page ends
    blocks: Any  # Gradio's


@contextmanager
def served_page(
    model: HabitatModel | str | os.PathLike[str] | None,
    port: int | None,
    corrections: str | os.PathLike[str],
    photos: Photos | None,
    language: str,
) -> Iterator[Served]:
    """Serve the page while the context is open; see `run_app` for the arguments."""
    check_choice("language", language, tuple(LANGUAGES))
    if port is not None:
        check_number("port", port, 1024, 65535, whole=True)
    gradio = import_gradio()
    is_demo = model is None
    if model is None:
        model, photos = _demo_model(photos)
    model = as_model(model)
    with _own_folder() as folder:
        desk = Desk(model, folder, corrections, photos)
        # Whatever Gradio and the tabs keep lies in here, and goes with it.
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
        desk.warm_up()
        blocks = lay_out(gradio, desk, language, is_demo=is_demo)
        try:
            url = _launch(gradio, blocks, port, folder)
            yield Served(url, desk, folder, blocks)
        finally:
            blocks.close(verbose=False)
            desk.close()


def _launch(gradio: Any, blocks: Any, port: int | None, folder: Path) -> str:
    """Serve blocks to this computer; give the address, with a token that only who starts it is told."""
    token = secrets.token_urlsafe(16)
    # queue() would let anyone call the functions past the page's own queue.
    blocks.queue(api_open=False, default_concurrency_limit=2)
    try:
        _, url, _ = blocks.launch(
            server_name="127.0.0.1",
            server_port=None if port is None else int(port),
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            footer_links=[],
            run_history=False,
            allowed_paths=[],
            max_file_size=MAX_ZIP_BYTES,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            root_path=f"/{token}",
            app_kwargs={
                "middleware": middleware(token, folder),
                "docs_url": None,
                "openapi_url": None,
            },
            theme=theme(gradio),
            css=page.CSS,
        )
    except OSError as error:
        if isinstance(error, LucasError):
            raise
        # the port is taken
        raise InputError(f"The page cannot be served: {error}") from error
    return f"{str(url).rstrip('/')}/{token}/"


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder for uploads that goes with the page, also if this process dies: by the next one."""
    _delete_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    # The system lets go of it when this process dies, however it dies: so others can tell.
    alive = FileLock(folder / _LOCK, thread_local=False)
    alive.acquire()
    try:
        yield folder
    finally:
        alive.release()  # Windows deletes no file that is open
        shutil.rmtree(folder, ignore_errors=True)


def _delete_leftovers() -> None:
    """Delete the uploads of this user's pages whose process was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OSError, Timeout):
            # A page that starts right now may not hold its lock yet.
            if time.time() - folder.lstat().st_mtime > 60 and _is_own_page(folder):
                with FileLock(folder / _LOCK, timeout=0):
                    pass  # so nobody holds it
                shutil.rmtree(folder, ignore_errors=True)


def _is_own_page(folder: Path) -> bool:
    """Whether a page of this user made a folder; in /tmp, others may make one of the same name."""
    owner = folder.lstat()
    # Windows has no numbers of users; there, each has a temporary folder of their own.
    is_own = not hasattr(os, "getuid") or owner.st_uid == os.getuid()
    return is_own and stat.S_ISDIR(owner.st_mode) and stat.S_ISREG((folder / _LOCK).lstat().st_mode)


def _demo_model(
    photos: Photos | None,
) -> tuple[HabitatModel, Photos]:
    """Give the demo model and its photos; it is trained if it is not there or not usable."""
    from ..studies.demo import run_demo

    folder = cache_folder() / "app-demo"
    try:
        model = load_model(folder / "model")
    except ModelError:
        print("Training the demo model on drawn photos; this is done once.", flush=True)
        run_demo(folder, n_points=_DEMO_POINTS)
        model = load_model(folder / "model")
    return model, photos if photos is not None else folder / "photos"
