// The overview without reloading: filters apply as they change, and the figures are fetched again every 15 seconds.
// The address always names what is shown. Without script, the form and the links do the same.
(function () {
  "use strict";
  var EVERY = 15000, TYPING = 300;
  var live = document.getElementById("live");
  if (!live) return;
  var timer = 0, latest = 0;

  function address(form) {
    var chosen = new URL(form.action);
    new FormData(form).forEach(function (value, name) {
      var field = form.elements[name];
      var usual = field.options ? field.options[0].value : "";
      if (value !== usual) chosen.searchParams.set(name, value);
    });
    return chosen;
  }

  function isBusy() {
    var focus = document.activeElement;
    return document.hidden || (focus && live.contains(focus) && /^(INPUT|SELECT|BUTTON)$/.test(focus.tagName));
  }

  function show(url, keep) {
    var mine = ++latest;
    return fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) {
        if (answer.status === 401 || answer.status === 404) location.reload(); // the sign-in has ended
        if (!answer.ok) throw new Error(answer.status);
        return answer.text();
      })
      .then(function (text) {
        if (mine !== latest || (keep && isBusy())) return;
        var page = new DOMParser().parseFromString(text, "text/html"), next = page.getElementById("live");
        if (!next) throw new Error("signed out");
        var open = Array.from(live.querySelectorAll("details[open][data-key]"), function (d) { return d.dataset.key; });
        var focus = document.activeElement, id = focus && live.contains(focus) ? focus.id : "";
        var at = id && focus.type === "search" ? [focus.value, focus.selectionStart] : null;
        var scrolled = live.querySelector(".scroll"), left = scrolled ? scrolled.scrollLeft : 0;
        document.title = page.title;
        live.replaceChildren.apply(live, Array.from(document.importNode(next, true).childNodes));
        open.forEach(function (key) {
          var again = live.querySelector('details[data-key="' + CSS.escape(key) + '"]');
          if (again) again.open = true;
        });
        scrolled = live.querySelector(".scroll");
        if (scrolled) scrolled.scrollLeft = left;
        var field = id ? document.getElementById(id) : null;
        if (!field) return;
        field.focus();
        if (at) { field.value = at[0]; field.setSelectionRange(at[1], at[1]); }
      });
  }

  function apply(form) {
    var chosen = address(form);
    history.replaceState(null, "", chosen);
    show(chosen, false).catch(function () { location.assign(chosen); });
  }

  live.addEventListener("change", function (event) {
    var form = event.target.closest("form[role=search]");
    if (form && event.target.type !== "search") apply(form);
  });
  live.addEventListener("input", function (event) {
    var form = event.target.closest("form[role=search]");
    if (!form || event.target.type !== "search") return;
    clearTimeout(timer);
    timer = setTimeout(function () { apply(form); }, TYPING);
  });
  live.addEventListener("submit", function (event) {
    var form = event.target.closest("form[role=search]");
    if (!form) return;
    event.preventDefault();
    clearTimeout(timer);
    apply(form);
  });
  setInterval(function () {
    if (!isBusy()) show(location.href, true).catch(function () {});
  }, EVERY);
})();
