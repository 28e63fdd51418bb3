"""What the page is made of, in Gradio, and how it is wired to the desk."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from markupsafe import Markup

from .._base import words
from .._base.choices import LANGUAGES
from ..errors import DependencyError
from ..pages.html import element, paragraph
from . import page
from .desk import Desk
from .uploads import MAX_PHOTO_BYTES, MAX_PHOTOS

__all__ = ["import_gradio", "lay_out", "theme"]


def import_gradio() -> Any:
    """Import Gradio with everything off that would leave this computer."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_SHARE"] = "False"
    # Gradio asks its own page whether it is there, which a company's proxy would not know.
    for name in ("NO_PROXY", "no_proxy"):
        if "127.0.0.1" not in os.environ.get(name, ""):
            hosts = filter(None, [os.environ.get(name), "127.0.0.1,localhost"])
            os.environ[name] = ",".join(hosts)
    try:
        import gradio
    except ImportError as error:
        raise DependencyError(
            f"The page needs Gradio, which cannot be imported ({error}): "
            + words.either("pip install 'lucas-habitat[app]'", "lucas_install(app = TRUE)")
            + "."
        ) from error
    return gradio


def lay_out(gr: Any, desk: Desk, language: str, *, is_demo: bool) -> Any:
    """Lay the page out, and wire it to the desk.

    Its order is the order in which the keyboard goes through it.

    Parameters
    ----------
    gr : module
        Gradio, as `import_gradio` gives it.
    desk : Desk
    language : str
        What the page speaks at first.
    is_demo : bool
        Whether to say that the model is the demo's.

    Returns
    -------
    gradio.Blocks
    """
    heads = _Heads(desk, is_demo)
    title = page.Words(language)("title")
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        parts = _draw(gr, desk, heads, language)
        _wire(gr, blocks, parts, _Answers(gr, desk, heads))
        blocks.load(js=_START.replace("LANGUAGE", language), **_HIDDEN)
    return blocks


class _Parts(NamedTuple):
    """What the page is made of, from top to bottom; components of Gradio."""

    head: Any
    language: Any
    files: Any
    taken: Any  # what was dropped last; not shown
    answer: Any
    more: Any  # all below, shown once there is an answer
    look_title: Any
    choice: Any
    show: Any
    closer: Any
    correct_title: Any
    right: Any
    save: Any
    saved: Any


# No function is offered to other programs.
_HIDDEN = {"api_visibility": "private"}


def _draw(gr: Any, desk: Desk, heads: _Heads, language: str) -> _Parts:
    """Put the parts where they stand, before anything was dropped."""
    say = page.Words(language)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4):
            head = gr.HTML(heads.intro(say))
        with gr.Column(scale=1, min_width=230):
            switch = gr.Radio(
                [(name, code) for code, name in LANGUAGES.items()],
                value=language,
                label=say("language"),
                elem_id="language",
            )
    files = gr.File(file_count="multiple", label=_upload_label(say), height=150, elem_id="upload")
    taken = gr.File(file_count="multiple", visible="hidden")
    answer = gr.HTML(elem_id="answer")
    with gr.Column(visible=False) as more:
        look_title = gr.HTML(heads.look(say))
        choice = gr.Dropdown([], label=say("choose"), filterable=False, elem_id="choice")
        show = gr.Button(say("show"), variant="primary", elem_id="show")
        closer = gr.HTML(elem_id="closer")
        correct_title = gr.HTML(heads.correct(say))
        right = gr.Radio(list(desk.model.classes), label=say("right_class"), elem_id="right")
        save = gr.Button(say("save"), variant="primary", elem_id="save")
        saved = gr.HTML(elem_id="saved")
    return _Parts(
        head, switch, files, taken, answer, more, look_title, choice, show, closer,
        correct_title, right, save, saved,
    )  # fmt: skip


def _wire(gr: Any, blocks: Any, parts: _Parts, answers: _Answers) -> None:
    """Say which part asks for which answer, and where the answer is shown."""
    # The box is empty again at once: the next drop would bring what stands in it once more.
    parts.files.upload(
        None,
        parts.files,
        [parts.files, parts.taken],
        js="files => [null, files]",
        **_HIDDEN,
    ).then(
        _with_tab(gr, answers.dropped),
        [parts.taken, parts.language],
        [parts.answer, parts.more, parts.choice, parts.closer, parts.right, parts.saved],
        show_progress_on=parts.answer,
        # A drop during a drop counts too, and none waits where the desk does not know of it: it
        # deletes the uploads of tabs that are closed.
        trigger_mode="multiple",
        concurrency_limit=None,
        **_HIDDEN,
    )
    parts.language.change(
        _with_tab(gr, answers.switched),
        [parts.language, parts.choice],
        [parts.head, parts.language, parts.files, parts.answer, parts.look_title, parts.choice,
         parts.show, parts.closer, parts.correct_title, parts.right, parts.save, parts.saved],
        js="(code, chosen) => {document.documentElement.lang = code; return [code, chosen]}",
        **_HIDDEN,
    )  # fmt: skip
    parts.show.click(
        _with_tab(gr, answers.looked), [parts.choice, parts.language], parts.closer, **_HIDDEN
    )
    parts.save.click(
        _with_tab(gr, answers.corrected),
        [parts.choice, parts.right, parts.language],
        parts.saved,
        **_HIDDEN,
    )
    parts.choice.change(lambda: ["", ""], None, [parts.closer, parts.saved], **_HIDDEN)
    blocks.unload(_with_tab(gr, answers.left))


def _with_tab(gr: Any, answer: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the name of the tab that asks, before what its parts hold."""

    def called(request: Any, *values: Any) -> Any:
        return answer(str(request.session_hash), *values)

    called.__annotations__["request"] = gr.Request  # what Gradio knows it by
    return called


class _Answers:
    """What the parts show after each thing that a tab asks for, in the order of `_wire`."""

    def __init__(self, gr: Any, desk: Desk, heads: _Heads) -> None:
        self._gr = gr
        self._desk = desk
        self._heads = heads

    def dropped(self, tab: str, paths: list[str] | None, code: str) -> list[Any]:
        """The answer to a drop, and what it offers to look at closer."""
        say = page.Words(code)
        if paths:
            self._desk.take(tab, paths)
        options = self._desk.choices(tab, say)
        return [
            self._desk.answer(tab, say),
            self._gr.Column(visible=bool(options)),
            self._gr.Dropdown(options, value=options[0][1] if options else None),
            "",
            self._gr.Radio(value=None),
            "",
        ]

    def switched(self, tab: str, code: str, chosen: str | None) -> list[Any]:
        """Everything in another language."""
        gr, desk, heads, say = self._gr, self._desk, self._heads, page.Words(code)
        return [
            heads.intro(say),
            gr.Radio(label=say("language")),
            gr.File(label=_upload_label(say)),
            desk.answer(tab, say),
            heads.look(say),
            gr.Dropdown(desk.choices(tab, say), value=chosen, label=say("choose")),
            gr.Button(say("show")),
            "",
            heads.correct(say),
            gr.Radio(label=say("right_class")),
            gr.Button(say("save")),
            "",
        ]

    def looked(self, tab: str, chosen: str | None, code: str) -> str:
        """Why the model says so of the chosen photos."""
        return self._desk.look(tab, chosen, page.Words(code))

    def corrected(self, tab: str, chosen: str | None, habitat: str | None, code: str) -> str:
        """Whether the correction is saved."""
        return self._desk.correct(tab, chosen, habitat, page.Words(code))

    def left(self, tab: str) -> None:
        """Nothing is shown: the tab is closed."""
        self._desk.leave(tab)


class _Heads:
    """The texts above the parts of the page."""

    def __init__(self, desk: Desk, is_demo: bool) -> None:
        self._desk = desk
        self._is_demo = is_demo

    def intro(self, say: page.Words) -> Markup:
        """What the page is, and which model it shows."""
        model = self._desk.model
        training, arch = model.training, model.backbone.spec["arch"]
        n, n_points = (
            training["n_photos"],
            training["n_points"] - training.get("n_without_point", 0),
        )
        facts = [
            say("model", arch=arch, n=n, points=n_points)
            if n_points
            else say("model_photos", arch=arch, n=n)
        ]
        if model.calibration is None:
            facts.append(say("uncalibrated"))
        elif (points := model.calibration.get("points")) and points["rough"]:
            facts.append(say("point_rough", n=points["n_points"]))
        return element(
            "div",
            element("h1", say("title")),
            paragraph(say("intro")),
            paragraph(" ".join(facts), kind="soft"),
            paragraph(say("demo"), kind="warn") if self._is_demo else "",
            class_="lh",
            data_drop=say("drop"),
        )

    def look(self, say: page.Words) -> Markup:
        """Above what the model looked at."""
        return page.framed(element("h2", say("look")))

    def correct(self, say: page.Words) -> Markup:
        """Above the corrections."""
        how = say("correct_how", file=self._desk.corrections.name)
        return page.framed(element("h2", say("correct")), paragraph(how, kind="soft"))


def _upload_label(say: page.Words) -> str:
    return say("upload", photos=MAX_PHOTOS, mb=MAX_PHOTO_BYTES // 10**6)


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


def theme(gr: Any) -> Any:
    """Use the system's own letters, and colours that can be read."""
    letters = ["system-ui", "Segoe UI", "Arial", "sans-serif"]
    colours = gr.themes.Base(
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
    for name in [name for name in vars(colours) if name.endswith("_dark")]:
        setattr(colours, name, getattr(colours, name.removesuffix("_dark"), None))
    return colours
