"""The interactive test: drop photos into a page on this computer, see, and correct."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout

from .._base import words
from .._base.checks import check_choice, check_number
from .._base.choices import LANGUAGES
from .._base.files import write_text
from ..cache import cache_folder
from ..classifier import predictions_of, target_for
from ..corrections import add_corrections
from ..errors import DependencyError, InputError, LucasError, ModelError
from ..features import extract_features
from ..model import HabitatModel, p_of, trained_on
from ..photos import DIRECTIONS, landscape, list_photos
from ..saved_models import load_model
from ..voting import vote
from . import page
from .explain import activation_map, similar_photos, unlike_training
from .guard import middleware
from .texts import TEXTS
from .uploads import MAX_PHOTO_BYTES, MAX_PHOTOS, MAX_ZIP_BYTES, Refused, take_uploads

__all__ = ["run_app"]

_DEMO_POINTS = 80

#: So many photos of a point are looked at closer; a point has six at most, close-up included.
_MOST_LOOKED_AT = 6

_SIMILAR = 3

_FOLDER = "lucas-habitat-app-"

_LOCK = "lock"


def run_app(
    model: HabitatModel | str | os.PathLike[str] | None = None,
    *,
    port: int | None = None,
    corrections: str | os.PathLike[str] = "corrections.csv",
    photos: str | os.PathLike[str] | None = None,
    language: str = "en",
    open_browser: bool = True,
) -> None:
    """Try a model in the browser: drop photos, see what it says and why, correct it.

    The page shows each photo's class probabilities, the vote of a point's photos, where the model
    looked, the most similar training photos, and a warning where a photo is unlike anything in
    training. Corrected photos are kept in a review table, which `train` takes as
    ``corrections=``. The page is served to this computer only and needs no network. Runs until it
    is interrupted (Ctrl-C).

    What was dropped and not corrected is deleted with the next drop, when its tab is closed, and at
    the latest when the page ends. A process that is killed cannot do so: the next start, a minute
    later or more, deletes what it left.

    Parameters
    ----------
    model : HabitatModel or path, optional
        A model, or the folder of a saved one. Default: a demo model, trained on drawn photos on
        first use (a minute or two) and kept in the cache folder.
    port : int, optional
        Of 127.0.0.1, 1024 to 65535; default: the first free one from 7860.
    corrections : path, default "corrections.csv"
        The review table; it is made with the first correction, its photos beside it.
    photos : path, optional
        The training photos (a folder or table, anything `list_photos` takes), to show the similar
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
    photos: str | os.PathLike[str] | None,
    language: str,
    open_browser: bool,
    session: str | None = None,
) -> None:
    """Run the app until it is interrupted, or until a file is gone.

    ``session`` is how R holds on to the app: a file whose removal ends the app, on every system
    and also when R ends without a word. The address appears beside it in a file ``address``, whole
    or not at all: Windows would not let a file be replaced that R is reading.
    """
    app = App(model, port, corrections, photos, language)
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if main else None
    try:
        print(f"{TEXTS[language]['title']}: {app.url}  (Ctrl-C ends it)", flush=True)
        if session is not None:
            told = json.dumps({"url": app.url, "pid": os.getpid()})
            write_text(told, Path(session).with_name("address"))
        if open_browser:
            import webbrowser

            webbrowser.open(app.url)
        while session is None or os.path.exists(session):
            time.sleep(0.25)
    except KeyboardInterrupt:
        pass
    finally:
        app.close()
        if main:
            signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt  # so that a termination, too, leaves no upload behind


@dataclass
class _Session:
    """What one tab has dropped last."""

    folder: Path
    predictions: pd.DataFrame
    points: pd.DataFrame
    features: npt.NDArray[np.float32]
    unlike: npt.NDArray[np.bool_]
    refused: list[Refused] = field(default_factory=list)


class App:
    """A served page; see `run_app` for the arguments.

    Attributes
    ----------
    url : str
        Where it is.
    """

    def __init__(
        self,
        model: HabitatModel | str | os.PathLike[str] | None,
        port: int | None,
        corrections: str | os.PathLike[str],
        photos: str | os.PathLike[str] | None,
        language: str,
    ) -> None:
        check_choice("language", language, tuple(LANGUAGES))
        if port is not None:
            check_number("port", port, 1024, 65535, whole=True)
        gradio = _gradio()
        self._demo = model is None
        if model is None:
            model, photos = _demo_model(photos)
        self._model = model if isinstance(model, HabitatModel) else load_model(model)
        self._target = target_for(self._model, "auto", None)
        self._corrections = Path(os.path.abspath(os.path.expanduser(corrections)))
        if self._corrections.suffix.lower() != ".csv":
            raise InputError(
                f"{words.arg('corrections')} must name a .csv file; got {corrections}."
            )
        self._know_photos(photos)
        self._language = language
        self._sessions: dict[str, _Session] = {}
        # Whatever Gradio and the tabs keep lies in here, and goes with it.
        _delete_leftovers()
        self._folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
        # The system lets go of it when this process dies, however it dies: so others can tell.
        self._alive = FileLock(self._folder / _LOCK, thread_local=False)
        self._alive.acquire()
        os.environ["GRADIO_TEMP_DIR"] = str(self._folder / "uploads")
        self._blocks: Any = None
        try:
            self._warm_up()
            self._blocks = self._build(gradio)
            # queue() would let anyone call the functions past the page's own queue.
            self._blocks.queue(api_open=False, default_concurrency_limit=2)
            _, self.url, _ = self._blocks.launch(
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
                app_kwargs={"middleware": middleware(), "docs_url": None, "openapi_url": None},
                theme=_theme(gradio),
                css=page.CSS,
            )
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(
                error, LucasError
            ):  # the port is taken
                raise InputError(f"The page cannot be served: {error}") from error
            raise

    def close(self) -> None:
        """End serving, and delete every upload."""
        if self._blocks is not None:
            self._blocks.close(verbose=False)
        self._sessions.clear()
        self._alive.release()  # Windows deletes no file that is open
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---- what the page asks for ----

    def take(self, tab: str, files: Sequence[str]) -> None:
        """Classify what was dropped; it takes the place of what the tab dropped before."""
        folder = self._folder / "tabs" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            refused = take_uploads(files, folder)
            photos = list_photos(folder, labels=False) if _any_photo(folder) else None
            found = self._classified(photos, folder, refused)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            for file in files:  # those that were not moved yet
                with suppress(OSError):
                    os.unlink(file)
            raise
        self.forget(tab)
        self._sessions[tab] = found

    def forget(self, tab: str) -> None:
        """Delete what a tab dropped."""
        before = self._sessions.pop(tab, None)
        if before is not None:
            shutil.rmtree(before.folder, ignore_errors=True)

    def answer(self, tab: str, words: page.Words) -> str:
        """Say what the model says."""
        found = self._sessions.get(tab)
        if found is None:
            return ""
        return page.answer(
            words,
            self._model.classes,
            found.predictions,
            found.points,
            found.unlike,
            found.refused,
        )

    def choices(self, tab: str, words: page.Words) -> list[tuple[str, str]]:
        """List what can be looked at closer or corrected: whole points first, then single photos."""
        found = self._sessions.get(tab)
        if found is None:
            return []
        points, photos = [], []
        sizes = found.predictions["group"].value_counts()
        for i, point in enumerate(found.points.itertuples()):
            if sizes.get(i, 0) > 1:
                points.append(
                    (page.group_name(words.plain, point.point_id, point.year, "all_of"), f"g{i}")
                )
        for i, row in enumerate(found.predictions.itertuples()):
            if row.status == "ok":
                photos.append((os.path.basename(str(row.path)), f"p{i}"))
        return points + photos

    def look(self, tab: str, choice: str | None, words: page.Words) -> str:
        """Show where the model looked in the chosen photos, and what they are like."""
        found, rows = self._chosen(tab, choice)
        if found is None:
            return page.message("bad", words("gone"))
        shown = rows[:_MOST_LOOKED_AT]
        near = similar_photos(found.features[shown], self._model, k=_SIMILAR)
        near["path"] = [
            self._training_paths.get(exact, self._training_paths.get(rough))
            for exact, rough in _identities(near["photo"], near)
        ]
        photos = []
        for i, row in enumerate(found.predictions.iloc[shown].itertuples()):
            path, habitat = str(row.path), str(row.predicted)
            try:
                values = activation_map(path, self._model, habitat)
                lit = page.spotlight(path, values, self._model.preprocessing, 260)
            except InputError:  # a vision transformer, for example
                lit = None
            like = near[near["row"] == i]
            photos.append(page.Closer(os.path.basename(path), habitat, lit, like))
        return page.closer(words, photos, len(rows) > len(shown))

    def correct(self, tab: str, choice: str | None, habitat: str | None, words: page.Words) -> str:
        """Keep the chosen photos with their right class."""
        found, rows = self._chosen(tab, choice)
        if found is None or choice is None:
            return page.message("bad", words("gone"))
        if habitat not in self._model.classes:
            return page.message("bad", words("choose_class"))
        photos = found.predictions.iloc[rows]
        try:
            add_corrections(self._corrections, photos, habitat)
        except (LucasError, OSError) as error:
            return page.message("bad", words("failed", reason=error))
        if choice.startswith("p"):
            name = os.path.basename(photos["path"].iloc[0])
            return page.message("good", words("saved_one", name=name, habitat=habitat))
        name = photos["point_id"].iloc[0]
        return page.message("good", words("saved", n=len(photos), name=name, habitat=habitat))

    # ---- how it is done ----

    def _chosen(self, tab: str, choice: str | None) -> tuple[_Session | None, list[int]]:
        found = self._sessions.get(tab)
        if (
            found is None
            or choice is None
            or choice
            not in dict(
                map(reversed, self.choices(tab, page.Words("en")))  # type: ignore[arg-type]
            )
        ):
            return None, []
        if choice.startswith("p"):
            return found, [int(choice[1:])]
        table = found.predictions
        chosen = (table["group"] == int(choice[1:])) & (table["status"] == "ok")
        return found, np.flatnonzero(chosen).tolist()

    def _classified(
        self, photos: pd.DataFrame | None, folder: Path, refused: list[Refused]
    ) -> _Session:
        if photos is None:
            empty = pd.DataFrame(columns=["path", "status", "error", "group"])
            return _Session(
                folder, empty, empty, np.empty((0, 0), np.float32), np.empty(0, bool), refused
            )
        photos = photos.sort_values(
            "direction",
            key=lambda d: d.map({name: i for i, name in enumerate(DIRECTIONS)}),
            kind="stable",
        ).reset_index(drop=True)
        # Nothing of an upload may stay, so its features are not cached either.
        features = extract_features(
            photos["path"].tolist(),
            self._model.backbone,
            self._model.preprocessing,
            self._target,
            cache=False,
            progress=False,
        )
        p = p_of(self._model, features)
        table = predictions_of(
            photos, self._model, p, features.status, features.error, self._target
        )
        table["split"] = table["split"].mask(trained_on(self._model, photos), "train")
        table["split"] = table["split"].mask(table["point_id"].isin(self._test_points), "test")
        votes = (table["status"] == "ok") & landscape(table) & table["point_id"].notna()
        points = vote(table[votes]) if votes.any() else pd.DataFrame(columns=["point_id", "year"])
        keys = {
            (p, y): i
            for i, (p, y) in enumerate(
                zip(points["point_id"], points["year"].fillna(-1), strict=True)
            )
        }
        table["group"] = [
            keys.get(key, -1)
            for key in zip(table["point_id"], table["year"].fillna(-1), strict=True)
        ]
        unlike = np.zeros(len(table), dtype=bool)
        unlike[features.ok] = unlike_training(features.values[features.ok], self._model)
        return _Session(folder, table, points, features.values, unlike, refused)

    def _know_photos(self, photos: str | os.PathLike[str] | None) -> None:
        """Remember where training photos are and which points are for testing."""
        self._training_paths: dict[tuple[str, ...] | None, str | None] = {}
        self._test_points: set[str] = set()
        if photos is not None:
            table = list_photos(photos)
            names = table["path"].map(os.path.basename)
            for path, keys in zip(table["path"], _identities(names, table), strict=True):
                for key in filter(None, keys):  # no picture rather than perhaps the wrong one
                    self._training_paths[key] = None if key in self._training_paths else path
            self._test_points = set(table.loc[table["split"] == "test", "point_id"].dropna())

    def _warm_up(self) -> None:
        """Compile the network and prepare the training features before the first photo comes."""
        self._folder.mkdir(exist_ok=True)
        grey = self._folder / "grey.png"
        page.grey_photo(grey)
        found = extract_features(
            [str(grey)],
            self._model.backbone,
            self._model.preprocessing,
            self._target,
            cache=False,
            progress=False,
        )
        unlike_training(found.values, self._model)
        with suppress(InputError):  # no map; looking closer says so
            activation_map(grey, self._model)
        grey.unlink()

    def _build(self, gr: Any) -> Any:
        """Lay the page out; its order is the order in which the keyboard goes through it."""
        model = self._model
        words = page.Words(self._language)

        def intro(words: page.Words) -> str:
            told = [
                words("intro"),
                words(
                    "model",
                    arch=model.backbone.spec["arch"],
                    n=model.training["n_photos"],
                    points=model.training["n_points"],
                ),
            ]
            if model.calibration is None:
                told.append(words("uncalibrated"))
            demo = f'<p class="warn">{words("demo")}</p>' if self._demo else ""
            return (
                f'<div class="lh" data-drop="{words("drop")}"><h1>{words("title")}</h1><p>{told[0]}</p>'
                f'<p class="soft">{" ".join(told[1:])}</p>{demo}</div>'
            )

        def look_head(words: page.Words) -> str:
            return f'<div class="lh"><h2>{words("look")}</h2></div>'

        def correct_head(words: page.Words) -> str:
            how = words("correct_how", file=self._corrections.name)
            return f'<div class="lh"><h2>{words("correct")}</h2><p class="soft">{how}</p></div>'

        def upload_label(words: page.Words) -> str:
            return words("upload", photos=MAX_PHOTOS, mb=MAX_PHOTO_BYTES // 10**6)

        with gr.Blocks(
            title=words("title"), analytics_enabled=False, delete_cache=(600, 3600)
        ) as blocks:
            with gr.Row(equal_height=False):
                with gr.Column(scale=4):
                    head = gr.HTML(intro(words))
                with gr.Column(scale=1, min_width=230):
                    language = gr.Radio(
                        [(name, code) for code, name in LANGUAGES.items()],
                        value=self._language,
                        label=words("language"),
                        elem_id="language",
                    )
            files = gr.File(
                file_count="multiple",
                label=upload_label(words),
                height=150,
                elem_id="upload",
            )
            answer = gr.HTML(elem_id="answer")
            with gr.Column(visible=False) as more:
                look_title = gr.HTML(look_head(words))
                choice = gr.Dropdown([], label=words("choose"), filterable=False, elem_id="choice")
                show = gr.Button(words("show"), variant="primary", elem_id="show")
                closer = gr.HTML(elem_id="closer")
                correct_title = gr.HTML(correct_head(words))
                right = gr.Radio(list(model.classes), label=words("right_class"), elem_id="right")
                save = gr.Button(words("save"), variant="primary", elem_id="save")
                saved = gr.HTML(elem_id="saved")

            def dropped(paths: list[str] | None, code: str, request: gr.Request) -> list[Any]:
                words, tab = page.Words(code), str(request.session_hash)
                if paths:
                    self.take(tab, paths)
                options = self.choices(tab, words)
                return [
                    None,  # ready for the next drop; what was dropped is shown below
                    self.answer(tab, words),
                    gr.Column(visible=bool(options)),
                    gr.Dropdown(options, value=options[0][1] if options else None),
                    "",
                    gr.Radio(value=None),
                    "",
                ]

            def switched(code: str, chosen: str | None, request: gr.Request) -> list[Any]:
                words, tab = page.Words(code), str(request.session_hash)
                return [
                    intro(words),
                    gr.Radio(label=words("language")),
                    gr.File(label=upload_label(words)),
                    self.answer(tab, words),
                    look_head(words),
                    gr.Dropdown(self.choices(tab, words), value=chosen, label=words("choose")),
                    gr.Button(words("show")),
                    "",
                    correct_head(words),
                    gr.Radio(label=words("right_class")),
                    gr.Button(words("save")),
                    "",
                ]

            def looked(chosen: str | None, code: str, request: gr.Request) -> str:
                return self.look(str(request.session_hash), chosen, page.Words(code))

            def corrected(
                chosen: str | None, habitat: str | None, code: str, request: gr.Request
            ) -> str:
                return self.correct(str(request.session_hash), chosen, habitat, page.Words(code))

            def left(request: gr.Request) -> None:
                self.forget(str(request.session_hash))

            # Gradio hands the request to what asks for it by type, and must find the type itself.
            for function in (dropped, switched, looked, corrected, left):
                function.__annotations__["request"] = gr.Request
            hidden = {"api_visibility": "private"}
            files.upload(
                dropped,
                [files, language],
                [files, answer, more, choice, closer, right, saved],
                show_progress_on=answer,
                **hidden,
            )
            language.change(
                switched,
                [language, choice],
                [head, language, files, answer, look_title, choice, show, closer, correct_title,
                 right, save, saved],
                js="(code, chosen) => {document.documentElement.lang = code; return [code, chosen]}",
                **hidden,
            )  # fmt: skip
            show.click(looked, [choice, language], closer, **hidden)
            save.click(corrected, [choice, right, language], saved, **hidden)
            choice.change(lambda: ["", ""], None, [closer, saved], **hidden)
            blocks.unload(left)
            blocks.load(js=_START.replace("LANGUAGE", self._language), **hidden)
        return blocks


# What changes is read out to those who cannot see it. Gradio's own words in the box for uploads come
# in the browser's language and return with every upload; the page's take their place.
_START = """() => {
  document.documentElement.lang = "LANGUAGE";
  for (const id of ["answer", "closer", "saved"])
    document.getElementById(id)?.setAttribute("aria-live", "polite");
  const name = () => {
    const words = document.querySelector("[data-drop]")?.dataset.drop;
    const box = document.querySelector("#upload button");
    if (!words || !box || box.ariaLabel === words) return;
    box.ariaLabel = words;
    document.documentElement.style.setProperty("--lh-drop", JSON.stringify(words));
  };
  name();
  new MutationObserver(name).observe(document.body, {subtree: true, childList: true});
}"""


def _gradio() -> Any:
    """Import Gradio with everything off that would leave this computer."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_SHARE"] = "False"
    # Gradio asks its own page whether it is there, which a company's proxy would not know.
    for name in ("NO_PROXY", "no_proxy"):
        if "127.0.0.1" not in os.environ.get(name, ""):
            known = filter(None, [os.environ.get(name), "127.0.0.1,localhost"])
            os.environ[name] = ",".join(known)
    try:
        import gradio
    except ImportError as error:
        raise DependencyError(
            f"The page needs Gradio, which cannot be imported ({error}): "
            + words.either("pip install 'lucas-habitat[app]'", "lucas_install(app = TRUE)")
            + "."
        ) from error
    return gradio


def _theme(gr: Any) -> Any:
    """Use the system's own letters, and colours that can be read."""
    letters = ["system-ui", "Segoe UI", "Arial", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", font=letters, font_mono=["monospace"]
    ).set(
        button_primary_background_fill="#14508c",
        button_primary_background_fill_hover="#0d3a68",
        button_primary_text_color="#ffffff",
        block_label_text_color="#1b1f24",
        block_title_text_color="#1b1f24",
        body_text_color="#1b1f24",
        body_text_color_subdued="#4a5560",
        checkbox_label_text_color="#1b1f24",
        checkbox_label_text_color_selected="#1b1f24",
        checkbox_background_color_selected="#14508c",
        checkbox_border_color="#5b6670",
        input_border_color="#5b6670",
        block_border_color="#8a949e",
    )
    # Light, whatever the system's colours are: the contrast of one page is enough to look after.
    for name in [name for name in vars(theme) if name.endswith("_dark")]:
        setattr(theme, name, getattr(theme, name.removesuffix("_dark"), None))
    return theme


def _identities(
    names: pd.Series, photos: pd.DataFrame
) -> Sequence[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    """Tell what a photo is known by: with its label, and, if it has a point, without it.

    A model keeps no paths, and file names alone come again: in each year of the survey, and as a
    camera's IMG_1.jpg in each class. With a point and a year the label may have been corrected
    since, or not be known where the photos are.
    """
    found: list[tuple[tuple[str, ...], tuple[str, ...] | None]] = []
    columns = [photos[c].astype("object") for c in ("point_id", "year", "habitat")]
    for name, *known in zip(names, *columns, strict=True):
        point, year, habitat = ("" if pd.isna(value) else str(value) for value in known)
        found.append(((name, point, year, habitat), (name, point, year) if point else None))
    return found


def _delete_leftovers() -> None:
    """Delete the uploads of pages whose process was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        # Other people's may not be read, and a page that starts right now may not hold its lock yet.
        with suppress(OSError, Timeout):
            if time.time() - folder.stat().st_mtime > 60 and (folder / _LOCK).is_file():
                with FileLock(folder / _LOCK, timeout=0):
                    pass  # so nobody holds it
                shutil.rmtree(folder, ignore_errors=True)


def _any_photo(folder: Path) -> bool:
    return any(p.is_file() for p in folder.rglob("*"))


def _demo_model(
    photos: str | os.PathLike[str] | None,
) -> tuple[HabitatModel, str | os.PathLike[str]]:
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
