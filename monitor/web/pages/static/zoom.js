// Linked charts on an engineer's page: the time under the mouse is marked in every chart, and its figures are read from
// the charts' own tables. A stretch that is drawn with the mouse is drawn anew by the server, in more detail.
// Links and a form do the same without script.
(function () {
  "use strict";
  var charts = Array.from(document.querySelectorAll("svg[data-start]"), linked);
  var from = null;

  function element(name, kind, svg) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", name);
    made.setAttribute("class", kind);
    svg.appendChild(made);
    return made;
  }

  function linked(svg) {
    var card = svg.closest("section");
    var one = {
      svg: svg,
      start: Number(svg.dataset.start), end: Number(svg.dataset.end),
      left: Number(svg.dataset.left), right: Number(svg.dataset.right),
      readout: card.querySelector("[data-readout]"),
      names: Array.from(card.querySelectorAll("thead th"), function (cell) { return cell.textContent; }),
      rows: Array.from(card.querySelectorAll("tr[data-at]")),
      box: element("rect", "chosen", svg),
      line: element("path", "cursor", svg)
    };
    one.box.setAttribute("y", "12");
    one.box.setAttribute("height", String(Number(svg.dataset.bottom) - 12));
    svg.classList.add("zooms");
    return one;
  }

  function place(one, event) {
    var point = new DOMPoint(event.clientX, event.clientY).matrixTransform(one.svg.getScreenCTM().inverse());
    return Math.min(one.right, Math.max(one.left, point.x));
  }

  function time(one, x) { return one.start + (x - one.left) / (one.right - one.left) * (one.end - one.start); }

  function at(one, moment) {
    var x = one.left + (moment - one.start) / (one.end - one.start) * (one.right - one.left);
    return Math.min(one.right, Math.max(one.left, x));
  }

  function choose(since, until) {
    charts.forEach(function (one) {
      var a = at(one, Math.min(since, until)), b = at(one, Math.max(since, until));
      one.box.setAttribute("x", String(a));
      one.box.setAttribute("width", String(b - a));
    });
  }

  function tell(moment) {
    charts.forEach(function (one) {
      var found = one.rows.filter(function (row) { return Number(row.dataset.at) <= moment; }).pop();
      one.readout.hidden = !found;
      one.line.setAttribute("d", "M" + at(one, moment) + " 12V" + one.svg.dataset.bottom);
      if (!found) return;
      one.readout.textContent = Array.from(found.cells, function (cell, index) {
        return index ? one.names[index] + " " + cell.textContent : cell.textContent;
      }).join(" · ");
    });
  }

  function forget() { from = null; choose(0, 0); }

  charts.forEach(function (one) {
    one.svg.addEventListener("pointerdown", function (event) {
      if (event.button) return;
      from = time(one, place(one, event));
      choose(from, from);
      one.svg.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    one.svg.addEventListener("pointermove", function (event) {
      var moment = time(one, place(one, event));
      if (from !== null) choose(from, moment);
      tell(moment);
    });
    one.svg.addEventListener("pointerup", function (event) {
      var to = time(one, place(one, event)), address = new URL(location.href);
      if (from === null || Math.abs(at(one, to) - at(one, from)) < 6) { forget(); return; }
      address.searchParams.delete("span");
      address.searchParams.delete("alert");
      address.searchParams.set("from", String(Math.round(Math.min(from, to))));
      address.searchParams.set("to", String(Math.round(Math.max(from, to))));
      location.assign(address);
    });
    one.svg.addEventListener("pointercancel", forget);
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") forget();
  });
})();
