// A square field of grey pixels, drawn in by mouse, touch or keyboard; `value` holds the ink, row by row, 0 to 255.
function render({ model, el }) {
  const side = model.get("side"), unit = 22;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side * unit;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing field: arrow keys move, space draws, delete clears");
  canvas.style.cssText = "border:1px solid #888; touch-action:none; cursor:crosshair";
  const clear = document.createElement("button");
  clear.textContent = "clear";
  clear.style.cssText = "display:block; margin-top:4px";
  el.append(canvas, clear);
  const context = canvas.getContext("2d");
  let cursor = [side / 2, side / 2], pressed = false;
  function paint() {
    const ink = model.get("value");
    for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
      const grey = 255 - ink[y * side + x];
      context.fillStyle = `rgb(${grey},${grey},${grey})`;
      context.fillRect(x * unit, y * unit, unit, unit);
    }
    if (document.activeElement === canvas) {
      context.strokeStyle = "#d55e00";
      context.strokeRect((cursor[0] - 0.5) * unit, (cursor[1] - 0.5) * unit, unit, unit);
    }
  }
  function stroke(x, y) {
    const ink = [...model.get("value")];
    for (let row = 0; row < side; row++) for (let column = 0; column < side; column++) {
      const away = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      const i = row * side + column;
      ink[i] = Math.max(ink[i], Math.round(255 * Math.min(1, Math.max(0, 1.35 - away))));
    }
    model.set("value", ink);
    model.save_changes();
  }
  function wipe() {
    model.set("value", new Array(side * side).fill(0));
    model.save_changes();
  }
  function at(event) {
    const box = canvas.getBoundingClientRect();
    stroke((event.clientX - box.left) / unit, (event.clientY - box.top) / unit);
  }
  canvas.addEventListener("pointerdown", (e) => { pressed = true; canvas.setPointerCapture(e.pointerId); at(e); });
  canvas.addEventListener("pointermove", (e) => { if (pressed) at(e); });
  canvas.addEventListener("pointerup", () => { pressed = false; });
  canvas.addEventListener("focus", paint);
  canvas.addEventListener("blur", paint);
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (step) cursor = cursor.map((c, i) => Math.min(side - 0.5, Math.max(0.5, c + step[i] / 2)));
    else if (e.key === " ") stroke(cursor[0], cursor[1]);
    else if (e.key === "Delete" || e.key === "Backspace") wipe();
    else return;
    e.preventDefault();
    e.stopPropagation();
    paint();
  });
  clear.addEventListener("click", wipe);
  model.on("change:value", paint);
  paint();
}
export default { render };
