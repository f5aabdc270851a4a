// Elements without a framework: h('p', { class: 'x', onclick }, 'text', child).
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  set(node, props);
  append(node, children);
  return node;
}

export function svg(tag, props, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props || {})) node.setAttribute(name, value);
  append(node, children);
  return node;
}

function set(node, props) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value') node.value = value;
    else if (name === 'style') Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
}

function append(node, children) {
  for (const child of children.flat(9)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child.nodeType ? child : document.createTextNode(String(child)));
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
}

export function toast(text) {
  const node = h('div', { class: 'toast' }, text);
  document.getElementById('toasts').append(node);
  setTimeout(() => node.remove(), 4000);
}

export function dialog(title, ...children) {
  const close = () => node.close();
  const node = h('dialog', { 'aria-label': title },
    h('div', { class: 'actions', style: { margin: '0 0 12px' } },
      h('h2', { style: { margin: 0 } }, title), h('span', { class: 'grow' }),
      h('button', { class: 'icon', type: 'button', 'aria-label': 'Close', onclick: close }, '✕')),
    children);
  node.addEventListener('close', () => node.remove());
  document.body.append(node);
  node.showModal();
  return node;
}

export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const node = dialog(title, h('p', {}, text), h('div', { class: 'actions' },
      h('button', { class: 'primary', type: 'button', onclick: () => { answer = true; node.close(); } }, yes),
      h('button', { type: 'button', onclick: () => node.close() }, 'Cancel')));
    node.addEventListener('close', () => resolve(answer));
  });
}

// With `stack` each row is a card of its own on a phone, its cells below each other with their heads beside them.
export function table(heads, rows, empty, stack) {
  if (!rows.length) return empty || h('p', { class: 'empty' }, 'Nothing here.');
  const head = (one) => h('th', { scope: 'col', class: one.num && 'num' }, one.text ?? one);
  if (stack) rows.forEach((row) => [...row.children].forEach((cell, at) => { cell.dataset.head = heads[at]?.text ?? heads[at] ?? ''; }));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table' },
    h('table', { class: stack && 'stack' }, h('thead', {}, h('tr', {}, heads.map(head))), h('tbody', {}, rows)));
}

export const field = (label, input, wide) => h('label', { class: wide ? 'field wide' : 'field' }, label, input);

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
export function bytes(count) {
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}
export const count = (number) => Number(number).toLocaleString('en-US', { maximumFractionDigits: 1 });
export function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}
export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
export const shortId = (id) => id.length > 8 ? `…${id.slice(-6)}` : id;

// A colour that a node keeps as long as the page is open, whoever comes and goes.
const colors = new Map();
export function nodeColor(id) {
  if (!colors.has(id)) colors.set(id, `--c${colors.size % 8}`);
  return colors.get(id);
}
