// What the shop sells: a hundred things, always the same.
const THINGS = ['Anchor', 'Rope', 'Lantern', 'Compass', 'Wheel', 'Buoy', 'Sail', 'Barrel', 'Pennant', 'Bell'];
const KINDS = ['Harbour', 'Northern', 'Pilot’s', 'Brass', 'Storm', 'Midnight', 'Lighthouse', 'Tarred', 'Regatta', 'Old Captain’s'];

export const key = (number) => `item-${String(number).padStart(3, '0')}`;

export function goods() {
  return Array.from({ length: 100 }, (_, number) => {
    const thing = THINGS[number % 10], kind = KINDS[Math.floor(number / 10)];
    return { key: key(number), name: `${kind} ${thing.toLowerCase()}`, thing: thing.toLowerCase(), cents: 490 + (number * 7919) % 24500,
      stock: 3 + (number * 31) % 40, hue: (number * 37) % 360 };
  });
}
