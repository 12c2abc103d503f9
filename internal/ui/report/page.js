'use strict';
(() => {
  const all = (s) => Array.from(document.querySelectorAll(s));
  // A link into a closed part opens it.
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.tagName === 'DETAILS') e.open = true;
    target.scrollIntoView();
    const head = target.querySelector('summary');
    if (head) head.focus({ preventScroll: true });
  };
  addEventListener('hashchange', reveal);
  reveal();
  all('a[href^="#"]').forEach((a) => a.addEventListener('click', () => setTimeout(reveal)));

  let outcome = '';
  const search = document.getElementById('search');
  const apply = () => {
    const words = search ? search.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    all('[data-name]').forEach((e) => {
      e.hidden = (outcome && e.dataset.outcome !== outcome) || !words.every((w) => e.dataset.name.includes(w));
    });
  };
  if (search) search.addEventListener('input', apply);
  const buttons = all('button[data-filter]');
  buttons.forEach((b) => b.addEventListener('click', () => {
    outcome = b.dataset.filter;
    buttons.forEach((o) => o.setAttribute('aria-pressed', String(o === b)));
    apply();
  }));
  all('button[data-open]').forEach((b) => b.addEventListener('click', () => {
    const open = b.dataset.open === 'yes';
    all('.instance').forEach((d) => { if (!d.hidden) d.open = open; });
  }));
  // On paper there is nothing to click.
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = all('details.instance:not([open])');
    closed.forEach((d) => { d.open = true; });
  });
  addEventListener('afterprint', () => closed.forEach((d) => { d.open = false; }));
  document.documentElement.classList.add('js');
})();
