'use strict';
(function () {
  var all = function (selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); };
  var one = function (id) { return document.getElementById(id); };
  all('.tools, .controls').forEach(function (e) { e.hidden = false; });

  // Theme: the reader's choice goes before the system's.
  var root = document.documentElement, theme = one('theme');
  var system = window.matchMedia('(prefers-color-scheme: dark)');
  var isDark = function () { return root.dataset.theme ? root.dataset.theme === 'dark' : system.matches; };
  var name = function () { theme.textContent = isDark() ? 'Light colours' : 'Dark colours'; };
  theme.addEventListener('click', function () { root.dataset.theme = isDark() ? 'light' : 'dark'; name(); });
  system.addEventListener('change', name);
  name();

  // Findings: by severity, by what was done, by words.
  var findings = all('.finding'), find = one('find'), wanted = { filter: '', cell: '' };
  var show = function () {
    var words = find ? find.value.trim().toLowerCase().split(/\s+/) : [];
    var n = 0;
    findings.forEach(function (f) {
      var fits = (!wanted.filter || f.dataset.severity === wanted.filter || f.dataset.setting === wanted.filter) &&
        (!wanted.cell || f.dataset.cells.split(' ').indexOf(wanted.cell) >= 0) &&
        words.every(function (w) { return f.textContent.toLowerCase().indexOf(w) >= 0; });
      f.hidden = !fits;
      if (fits) { n += 1; }
    });
    all('[data-filter]').forEach(function (b) {
      b.setAttribute('aria-pressed', String(b.dataset.filter === wanted.filter && !wanted.cell));
    });
    if (one('shown')) { one('shown').textContent = n + ' of ' + findings.length + ' shown' + (wanted.cell ? ', ' + wanted.cell.replace('-', ' and ') : ''); }
    if (one('none-shown')) { one('none-shown').hidden = n > 0; }
  };
  all('[data-filter]').forEach(function (b) {
    b.addEventListener('click', function () { wanted = { filter: b.dataset.filter, cell: '' }; show(); });
  });
  all('.grid a[data-cell]').forEach(function (a) {
    a.addEventListener('click', function () { wanted = { filter: '', cell: a.dataset.cell }; if (find) { find.value = ''; } show(); });
  });
  if (find) { find.addEventListener('input', show); }

  // A link to a finding opens it.
  var open = function () {
    var target = location.hash.indexOf('#f-') === 0 && one(location.hash.slice(1));
    if (target) { target.hidden = false; target.open = true; target.scrollIntoView(); }
  };
  window.addEventListener('hashchange', open);
  open();

  var openAll = one('open-all');
  openAll.addEventListener('click', function () {
    var on = openAll.getAttribute('aria-pressed') !== 'true';
    all('details').forEach(function (d) { d.open = on; });
    openAll.setAttribute('aria-pressed', String(on));
    openAll.textContent = on ? 'Close all details' : 'Open all details';
  });

  // Tables: a column's head sorts its rows.
  all('table.sortable').forEach(function (table) {
    var body = table.tBodies[0];
    if (!body || body.rows.length < 2) { return; }
    all('thead th', table).forEach(function (th, i) {
      if (!th.textContent || th.className === 'dots') { return; }
      var button = document.createElement('button');
      button.type = 'button';
      button.className = 'sort';
      while (th.firstChild) { button.appendChild(th.firstChild); }
      th.appendChild(button);
      button.addEventListener('click', function () {
        var down = th.getAttribute('aria-sort') !== 'descending';
        var number = function (row) { return parseFloat(row.cells[i].textContent.replace(/[^0-9.]/g, '')) || 0; };
        var compare = th.className === 'num' ? function (a, b) { return number(a) - number(b); } :
          function (a, b) { return a.cells[i].textContent.localeCompare(b.cells[i].textContent); };
        if (th.className !== 'num') { down = th.getAttribute('aria-sort') === 'ascending'; }
        all('thead th', table).forEach(function (other) { other.removeAttribute('aria-sort'); });
        th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        Array.prototype.slice.call(body.rows)
          .sort(function (a, b) { return down ? -compare(a, b) : compare(a, b); })
          .forEach(function (row) { body.appendChild(row); });
      });
    });
  });

  // Contents: where the reader is.
  var links = all('.rail a');
  if ('IntersectionObserver' in window) {
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (e) {
        if (!e.isIntersecting) { return; }
        links.forEach(function (l) {
          if (l.hash === '#' + e.target.id) { l.setAttribute('aria-current', 'true'); } else { l.removeAttribute('aria-current'); }
        });
      });
    }, { rootMargin: '-10% 0px -80% 0px' });
    all('main > section').forEach(function (s) { seen.observe(s); });
  }

  // Paper shows every line, and opens what decides.
  var before = [];
  window.addEventListener('beforeprint', function () {
    before = findings.map(function (f) { return [f, f.hidden, f.open]; });
    findings.forEach(function (f) {
      f.hidden = false;
      if (f.dataset.setting === 'stop' || f.dataset.severity === 'fatal') { f.open = true; }
    });
  });
  window.addEventListener('afterprint', function () {
    before.forEach(function (b) { b[0].hidden = b[1]; b[0].open = b[2]; });
  });
}());
