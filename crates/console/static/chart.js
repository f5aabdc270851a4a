// Lines over time, as SVG, with the numbers for those who do not see them.
import { h, svg, count } from './dom.js';

const HEIGHT = 170, LEFT = 48, BOTTOM = 20, TOP = 8, RIGHT = 6;

// As wide as it will be shown: letters must not shrink with the picture.
const width = () => (matchMedia('(max-width: 820px)').matches ? 340 : 560);

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most || 1));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((bound) => bound >= most) || 1;
}

// series: [{ name, color, values }]; times: ms; options: { unit, max, min }
export function chart(title, times, series, options = {}) {
  const WIDTH = width();
  const shown = series.map((one) => `${one.name} ${count(one.values.at(-1) ?? 0)}${options.unit || ''}`).join(', ');
  const box = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': `${title}: now ${shown}` });
  const low = options.min ?? 0;
  const most = options.max ?? nice(Math.max(1, ...series.flatMap((one) => one.values)));
  const until = times.at(-1) ?? Date.now();
  const from = Math.min(times[0] ?? until, until - 60000);
  const x = (time) => LEFT + (time - from) / (until - from || 1) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (most - low || 1)) * (HEIGHT - TOP - BOTTOM);
  for (const part of [0, 0.5, 1]) {
    const value = low + (most - low) * part;
    box.append(svg('line', { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: 'gridline' }));
    box.append(svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, `${compact(value)}${options.unit || ''}`));
  }
  const seconds = Math.round((until - from) / 1000);
  box.append(svg('text', { x: LEFT, y: HEIGHT - 4 }, seconds > 90 ? `${Math.round(seconds / 60)} min ago` : `${seconds} s ago`));
  box.append(svg('text', { x: WIDTH - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, 'now'));
  // What went wrong is drawn first, and only where something did: a line at zero would cover the others.
  const drawn = series.filter(({ rare, values }) => !rare || values.some((value) => value > 0));
  for (const one of drawn.sort((a, b) => Number(b.rare ?? false) - Number(a.rare ?? false))) {
    const points = one.values.map((value, place) => `${x(times[place]).toFixed(1)},${y(Math.min(value, most)).toFixed(1)}`);
    if (points.length > 1) {
      const area = `${x(times[0]).toFixed(1)},${y(low)} ${points.join(' ')} ${x(until).toFixed(1)},${y(low)}`;
      if (series.length === 1 || one.area) box.append(svg('polygon', { points: area, fill: `var(${one.color})`, opacity: .12 }));
      box.append(svg('polyline', { points: points.join(' '), fill: 'none', stroke: `var(${one.color})`, 'stroke-width': 2, 'stroke-linejoin': 'round' }));
    }
  }
  return h('section', { class: 'panel' }, h('h2', {}, title), box, h('div', { class: 'legend' },
    series.map((one) => h('span', {}, h('span', { class: 'key', style: { background: `var(${one.color})` } }),
      `${one.name} `, h('strong', {}, `${count(one.values.at(-1) ?? 0)}${options.unit || ''}`)))));
}

function compact(value) {
  return Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}
