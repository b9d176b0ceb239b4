"""Explorers on a page in a browser: wait for their pictures, move their controls, time what comes of it."""

from playwright.sync_api import TimeoutError

START_SECONDS, MOVE_SECONDS = 120, 10  # limits for busy cores, far above what is usual
POLL = 100  # milliseconds between two looks
STILL_SECONDS = 2  # where nothing moves meanwhile, another control is tried first
EXPLORER = ".widget-vbox:has(> img.widget-image):has(> .widget-textarea)"
PANEL = ".widget-vbox:has(> img.widget-image):not(:has(> .widget-textarea))"  # the live panel has buttons and no state
CONTROLS = ("select", "[role=slider]", "input[type=checkbox]", "canvas[tabindex]")  # drop-downs first
TEXTS = ".widget-text input"
LETTERS = ("b", "m", "d", "d")  # in JupyterLab a new cell, a cell of text, and a cell less
# The cells of the notebook in JupyterLab, by their kinds, and the active one; none on other pages
CELLS = """() => {
    const notebook = window.jupyterapp?.shell.currentWidget?.content;
    const cells = notebook?.model?.cells;
    return cells ? [notebook.activeCellIndex, ...Array.from(cells, cell => cell.type)] : [];
}"""
KEYS = {  # by kind: one step on, one step back
    "slider": ("ArrowRight", "ArrowLeft"),
    "select": ("ArrowDown", "ArrowUp"),
    "input": (" ", " "),
    "canvas": (" ", "Delete"),
}
# Half a second without a new picture: sliders may correct their value when they are first shown
SETTLED = """image => {
    if (image.dataset.seen !== image.src) { image.dataset.seen = image.src; image.dataset.since = performance.now(); }
    return image.complete && performance.now() - image.dataset.since > 500;
}"""
FOLLOWED = "([line, before]) => line.value !== before"
# Whether a control is at its last value, or going back at its first; ARIA's numbers are rounded to one digit
AT_END = """(control, back) => {
    if (control.options) return control.selectedIndex === (back ? 0 : control.options.length - 1);
    const slider = control.closest(".noUi-target")?.noUiSlider;
    if (!slider) return true;
    const {min, max} = slider.options.range;
    return Math.abs(slider.get(true) - (back ? min : max)) < 1e-9 * (1 + max - min);
}"""
# From the key to the moment when the new picture has been decoded, in milliseconds; null where none came
MOVED = """(image, patience) => { window.moved = new Promise(done => {
    let began;
    addEventListener("keydown", () => began = performance.now(), {capture: true, once: true});
    image.addEventListener("load", () => done(performance.now() - began), {once: true});
    setTimeout(() => done(null), patience);
}) }"""


def until(page, condition, seconds, arg=None):
    """Wait until a condition, in JavaScript, holds on a page; `arg` is given to it."""
    page.wait_for_function(condition, arg=arg, timeout=1000 * seconds, polling=POLL)


class Explorer:
    """One explorer on a page."""

    def __init__(self, root):
        self.page, self.image, self.line = root.page, root.locator("> img"), root.locator("> .widget-textarea textarea")
        controls = [root.locator(kind) for kind in CONTROLS]
        self.controls, self.texts = [control for kind in controls for control in kind.all()], root.locator(TEXTS).all()
        self.back = [False] * len(self.controls)  # whether a control is on its way back from its end

    @property
    def state(self):
        """The line of code that brings this state back."""
        return self.line.input_value()

    @property
    def name(self):
        """What the notebook calls to make it."""
        return self.state.partition("(")[0].rpartition(".")[2]

    def wait(self):
        """Until the picture is there and stays."""
        until(self.page, SETTLED, START_SECONDS, self.image.element_handle())

    def press(self, number=0):
        """Move a control by one step with the keyboard, and back again from its end.

        A slider is never dragged: where a drag ends depends on the browser.
        """
        control = self.controls[number]
        control.focus()
        self.back[number] = self.back[number] != control.evaluate(AT_END, self.back[number])
        kind = control.evaluate("e => e.getAttribute('role') === 'slider' ? 'slider' : e.tagName.toLowerCase()")
        control.press(KEYS[kind][self.back[number]])

    def move(self, number=0, seconds=MOVE_SECONDS):
        """Press, and give the milliseconds from the key to the new picture; None where none came."""
        self.image.evaluate(MOVED, 1000 * seconds)
        self.press(number)
        return self.page.evaluate("window.moved")

    def press_all(self):
        """Press every control by keyboard, drop-downs first: the state follows each, and the notebook's cells do not.

        Letters that are shortcuts of JupyterLab belong to the control that has the focus, too.
        """
        self.wait()
        for number, control in enumerate(self.controls):
            before = self.state
            control.focus()
            cells = self.page.evaluate(CELLS)
            self.press(number)
            assert self.follows(before), f"a key did not reach control {number} of {before}"
            assert self.page.evaluate(CELLS) == cells, f"an arrow on control {number} of {before} moved the notebook"
        for control in (*self.controls, *self.texts):  # a letter chooses in a drop-down: the state may follow later
            control.focus()
            text, cells = control.input_value() if control in self.texts else None, self.page.evaluate(CELLS)
            for letter in LETTERS:
                self.page.keyboard.press(letter)
            assert self.page.evaluate(CELLS) == cells, (
                f"letters typed on a control of {self.state} went to the notebook"
            )
            if text is not None:
                control.fill(text)

    def follows(self, before):
        """Whether the state becomes another one than before."""
        try:
            until(self.page, FOLLOWED, MOVE_SECONDS, [self.line.element_handle(), before])
        except TimeoutError:
            return False
        return True

    def try_controls(self):
        """Move controls until one gives another picture, and tell which; the state follows every one that is moved."""
        self.wait()
        for seconds in (STILL_SECONDS, MOVE_SECONDS):  # a temperature that BYOL does not have changes no picture
            for number in range(len(self.controls)):
                before = self.state
                milliseconds = self.move(number, seconds)
                assert self.follows(before), f"a key did not reach control {number} of {before}"
                if milliseconds is not None:
                    return number
        raise AssertionError(f"no control of {self.state} changes the picture")


class Panel:
    """A panel that trains while it is looked at."""

    def __init__(self, root):
        self.page, self.image, self.told = root.page, root.locator("> img"), root.locator("> .widget-html")
        self.buttons = dict(zip(("start", "pause", "stop"), root.locator("button").all(), strict=True))

    def train(self):
        """Start, wait for another picture, stop; a run that is done already cannot be started."""
        before = self.image.get_attribute("src")
        if self.buttons["start"].is_enabled():
            self.press("start")
            other = "([image, before]) => image.src !== before"
            until(self.page, other, START_SECONDS, [self.image.element_handle(), before])
            if self.buttons["stop"].is_enabled():
                self.press("stop")

    def press(self, name):
        """Press a button by keyboard."""
        self.buttons[name].press("Enter")

    def wait_for(self, *words):
        """Until it says these words."""
        said = "([told, words]) => words.every(word => told.textContent.includes(word))"
        until(self.page, said, START_SECONDS, [self.told.element_handle(), list(words)])
