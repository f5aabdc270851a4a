//! Which slots of a volume's devices are free.

use super::Place;

/// The slots of all devices of a volume.
#[derive(Debug)]
pub(super) struct Slots {
    devices: Vec<Device>,
    /// Free slots that only defragmentation and deletes may take.
    reserve: u64,
}

#[derive(Debug)]
struct Device {
    taken: Vec<bool>,
    free: u32,
    /// No slot below this one is free.
    lowest: usize,
}

impl Slots {
    /// All slots free; so many for each device.
    pub(super) fn new(counts: &[u32]) -> Slots {
        let device = |&count: &u32| Device { taken: vec![false; count as usize], free: count, lowest: 0 };
        let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        Slots { devices: counts.iter().map(device).collect(), reserve: (total / 32).clamp(2, 64) }
    }

    pub(super) fn free(&self) -> u64 {
        self.devices.iter().map(|device| u64::from(device.free)).sum()
    }

    pub(super) fn total(&self) -> u64 {
        self.devices.iter().map(|device| device.taken.len() as u64).sum()
    }

    /// Free slots that new records may take.
    pub(super) fn available(&self) -> u64 {
        self.free().saturating_sub(self.reserve)
    }

    /// Takes the first `run` free slots in a row of the emptiest device that has them.
    pub(super) fn take(&mut self, run: u32, spare: bool) -> Option<Place> {
        let free = if spare { self.free() } else { self.available() };
        if free < u64::from(run) {
            return None;
        }
        let mut order: Vec<usize> = (0..self.devices.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(self.devices[index].free));
        order.into_iter().find_map(|index| {
            let slot = self.devices[index].take(run)?;
            Some(Place { device: u16::try_from(index).ok()?, slot })
        })
    }

    /// Marks slots as taken that hold a block. False when any is taken already or does not exist.
    pub(super) fn occupy(&mut self, place: Place, run: u32) -> bool {
        let Some(device) = self.devices.get_mut(usize::from(place.device)) else { return false };
        let from = place.slot as usize;
        let Some(slots) = device.taken.get_mut(from..from + run as usize) else { return false };
        if slots.contains(&true) {
            return false;
        }
        slots.fill(true);
        device.free -= run;
        true
    }

    pub(super) fn is_taken(&self, place: Place) -> bool {
        let device = self.devices.get(usize::from(place.device));
        device.and_then(|device| device.taken.get(place.slot as usize)).is_some_and(|taken| *taken)
    }

    /// Gives slots back.
    pub(super) fn give_back(&mut self, place: Place, run: u32) {
        let Some(device) = self.devices.get_mut(usize::from(place.device)) else { return };
        let from = place.slot as usize;
        if let Some(slots) = device.taken.get_mut(from..from + run as usize) {
            debug_assert!(slots.iter().all(|taken| *taken), "only taken slots are given back");
            slots.fill(false);
            device.free += run;
            device.lowest = device.lowest.min(from);
        }
    }
}

impl Device {
    fn take(&mut self, run: u32) -> Option<u32> {
        if self.free < run {
            return None;
        }
        let length = run as usize;
        let mut from = self.lowest;
        loop {
            from += self.taken.get(from..)?.iter().position(|taken| !taken)?;
            if length == 1 {
                self.lowest = from + 1;
            }
            let slots = self.taken.get_mut(from..from + length)?;
            match slots.iter().rposition(|taken| *taken) {
                Some(obstacle) => from += obstacle + 1,
                None => {
                    slots.fill(true);
                    self.free -= run;
                    return u32::try_from(from).ok();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_taken_once_lowest_first_and_a_reserve_stays() {
        let mut slots = Slots::new(&[10, 4]);
        let place = |device, slot| Place { device, slot };
        assert_eq!((slots.total(), slots.free(), slots.available()), (14, 14, 12));
        assert_eq!(slots.take(3, false), Some(place(0, 0)));
        assert_eq!(slots.take(1, false), Some(place(0, 3)));
        slots.give_back(place(0, 1), 1);
        assert_eq!(slots.take(2, false), Some(place(0, 4)));
        assert_eq!(slots.take(1, false), Some(place(0, 1)));
        assert!(!slots.occupy(place(0, 5), 1) && !slots.occupy(place(1, 3), 2));
        assert!(slots.occupy(place(0, 6), 1));
        assert_eq!(slots.take(4, false), Some(place(1, 0)));
        assert_eq!(slots.take(1, false), Some(place(0, 7)));
        assert_eq!((slots.take(1, false), slots.take(2, true)), (None, Some(place(0, 8))));
        assert_eq!(slots.take(1, true), None);
    }
}
