// Free zoom on an engineer's chart: draw a stretch with the mouse, and the server draws it anew, in more detail.
// The figures under the mouse are read from the chart's own table. Links and a form do the same without script.
(function () {
  "use strict";
  var chart = document.querySelector("svg[data-start]");
  if (!chart) return;
  var start = Number(chart.dataset.start), end = Number(chart.dataset.end);
  var left = Number(chart.dataset.left), right = Number(chart.dataset.right);
  var readout = document.querySelector("[data-readout]");
  var card = chart.closest("section");
  var names = Array.from(card.querySelectorAll("thead th"), function (cell) { return cell.textContent; });
  var rows = Array.from(card.querySelectorAll("tr[data-at]"));
  var box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  var from = null;
  box.setAttribute("class", "chosen");
  box.setAttribute("y", "12");
  box.setAttribute("height", String(Number(chart.dataset.bottom) - 12));
  chart.classList.add("zooms");
  chart.appendChild(box);

  function place(event) {
    var point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    return Math.min(right, Math.max(left, point.x));
  }

  function time(x) { return start + (x - left) / (right - left) * (end - start); }

  function draw(a, b) {
    box.setAttribute("x", String(Math.min(a, b)));
    box.setAttribute("width", String(Math.abs(b - a)));
  }

  function tell(at) {
    var found = rows.filter(function (row) { return Number(row.dataset.at) <= at; }).pop();
    readout.hidden = !found;
    if (!found) return;
    readout.textContent = Array.from(found.cells, function (cell, index) {
      return index ? names[index] + " " + cell.textContent : cell.textContent;
    }).join(" · ");
  }

  chart.addEventListener("pointerdown", function (event) {
    if (event.button) return;
    from = place(event);
    draw(from, from);
    chart.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  chart.addEventListener("pointermove", function (event) {
    var x = place(event);
    if (from !== null) draw(from, x);
    tell(time(x));
  });
  chart.addEventListener("pointerup", function (event) {
    var to = place(event), address = new URL(location.href);
    if (from === null || Math.abs(to - from) < 6) { from = null; draw(0, 0); return; }
    address.searchParams.delete("span");
    address.searchParams.set("from", String(Math.round(time(Math.min(from, to)))));
    address.searchParams.set("to", String(Math.round(time(Math.max(from, to)))));
    location.assign(address);
  });
  chart.addEventListener("pointercancel", function () { from = null; draw(0, 0); });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { from = null; draw(0, 0); }
  });
})();
