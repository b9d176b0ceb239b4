// Keys that are pressed on a control are the control's: JupyterLab would take "d d" for "delete this cell". It looks for
// the attribute on the element that has the focus, so every one of an explorer carries it, also those that come later.
const FOCUSABLE = "select, input, textarea, button, a[href], canvas, [tabindex], [contenteditable]";
const MARK = "data-lm-suppress-shortcuts";
function mark(root) {
  for (const each of root.querySelectorAll(FOCUSABLE)) if (!each.hasAttribute(MARK)) each.setAttribute(MARK, "true");
}
function render({ el }) {
  let root = null, observer = null, over = false;
  function attach() {
    if (over) return;
    root = el.closest(".kdlab-explorer");
    if (!root) return void setTimeout(attach, 20); // it is not on the page yet
    mark(root);
    observer = new MutationObserver(() => mark(root));
    observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["tabindex", "href"] });
    root.addEventListener("focusin", () => mark(root), true); // before a key reaches what another widget has just drawn
  }
  attach();
  return () => { over = true; observer?.disconnect(); };
}
export default { render };
