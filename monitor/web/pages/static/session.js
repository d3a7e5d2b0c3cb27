// Pages of a sign-in that has ended go away: where somebody signs out in one window, the others look whether they may
// still show what they show, and so does a page that the browser kept and shows again.
(function () {
  "use strict";
  var channel = window.BroadcastChannel ? new BroadcastChannel("sign-in") : null;
  if (document.querySelector("main[data-signed-out]")) {
    if (channel) channel.postMessage("signed out");
    return;
  }

  function look() {
    fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) {
        if (answer.status === 401 || answer.status === 404) location.reload();
      })
      .catch(function () {});
  }

  if (channel) channel.addEventListener("message", look);
  window.addEventListener("pageshow", function (event) { if (event.persisted) look(); });
})();
