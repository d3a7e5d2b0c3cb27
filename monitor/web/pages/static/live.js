// Live updates: when the daemon says that something changed, the page is fetched again and its content swapped.
// Open details stay open, the focus stays where it was; without script the page works all the same.
(function () {
  "use strict";
  var main = document.getElementById("main");
  if (!main || !main.dataset.events || !window.EventSource) return;
  var pending = false;

  function opened(root) {
    return Array.from(root.querySelectorAll("details[open][data-key]"), function (d) { return d.dataset.key; });
  }

  function swap(selector, page) {
    var now = document.querySelector(selector), next = page.querySelector(selector);
    if (now && next) now.replaceChildren.apply(now, Array.from(document.importNode(next, true).childNodes));
    return next;
  }

  function mark(on) {
    document.querySelectorAll("[data-live]").forEach(function (dot) { dot.hidden = !on; });
  }

  function refresh() {
    if (pending) return;
    pending = true;
    var open = opened(document);
    var focus = document.activeElement && document.activeElement.id;
    fetch(location.href, { credentials: "same-origin" })
      .then(function (answer) {
        if (answer.status === 401 || answer.status === 404) location.reload(); // the sign-in has ended
        if (!answer.ok) throw new Error(answer.status);
        return answer.text();
      })
      .then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        document.title = page.title;
        swap("header.top", page);
        swap("main", page);
        open.forEach(function (key) {
          var again = document.querySelector('details[data-key="' + CSS.escape(key) + '"]');
          if (again) again.open = true;
        });
        if (focus && document.getElementById(focus)) document.getElementById(focus).focus();
        mark(true);
      })
      .catch(function () { mark(false); })
      .finally(function () { pending = false; });
  }

  var source = new EventSource(main.dataset.events);
  source.addEventListener("open", function () { mark(true); });
  source.addEventListener("error", function () {
    mark(false);
    if (source.readyState === EventSource.CLOSED) refresh();
  });
  source.addEventListener("change", refresh);
  window.addEventListener("pagehide", function () { source.close(); });
})();
