(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function isDark() { return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches; }

  function copy(button) {
    var text = document.getElementById(button.dataset.copy).textContent;
    function done() {
      var before = button.textContent;
      button.textContent = "Copied";
      setTimeout(function () { button.textContent = before; }, 1500);
    }
    function old() {
      var area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      done();
    }
    // The clipboard of the browser may refuse a page that was opened from a file.
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, old); } else { old(); }
  }

  function show(id, open) {
    document.querySelectorAll(".trail").forEach(function (row) { row.hidden = !(open && row.id === id); });
    document.querySelectorAll(".cell").forEach(function (cell) {
      cell.setAttribute("aria-expanded", String(open && cell.getAttribute("aria-controls") === id));
    });
  }

  function reveal() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var node = target; node; node = node.parentElement) { if (node.tagName === "DETAILS") { node.open = true; } }
    if (target && target.classList.contains("trail")) { show(target.id, true); }
    if (target) { target.scrollIntoView(); }
  }

  document.addEventListener("click", function (event) {
    var cell = event.target.closest(".cell");
    if (cell) {
      event.preventDefault();
      var id = cell.getAttribute("aria-controls");
      show(id, cell.getAttribute("aria-expanded") !== "true");
      return;
    }
    if (event.target.closest(".close")) { show("", false); return; }
    var button = event.target.closest(".copy");
    if (button) { copy(button); return; }
    if (event.target.closest(".theme")) { root.dataset.theme = isDark() ? "light" : "dark"; }
  });
  window.addEventListener("hashchange", reveal);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (element) { element.open = true; });
  });
  show("", false);
  reveal();
}());
