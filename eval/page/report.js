(function () {
  "use strict";
  var table = document.getElementById("results"), body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  var search = document.getElementById("search"), count = document.getElementById("count");
  var selects = Array.prototype.slice.call(document.querySelectorAll("select[data-column]"));

  function value(row, column) {
    var cell = row.cells[column], v = cell.getAttribute("data-v");
    return v === null ? cell.textContent.toLowerCase() : Number(v);
  }
  // Empty cells stay at the end, whichever way is sorted.
  function compare(column, sign) {
    return function (a, b) {
      var x = value(a, column), y = value(b, column);
      if (x === "" || y === "") return (x === "") - (y === "");
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      return x < y ? -sign : x > y ? sign : 0;
    };
  }
  heads.forEach(function (head, column) {
    head.querySelector("button").addEventListener("click", function () {
      var down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort(compare(column, down ? -1 : 1)).forEach(function (row) { body.appendChild(row); });
    });
  });
  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      var keep = words.every(function (w) { return text.indexOf(w) >= 0; }) && selects.every(function (s) {
        return !s.value || row.cells[Number(s.getAttribute("data-column"))].textContent === s.value;
      });
      row.hidden = !keep;
      if (keep) shown++;
    });
    count.textContent = shown + " of " + rows.length + " lines";
  }
  search.addEventListener("input", filter);
  selects.forEach(function (s) { s.addEventListener("change", filter); });
  filter();
})();
