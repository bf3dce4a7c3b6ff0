//! Chance that is the same everywhere: every person throws dice of their own.
//!
//! ChaCha is specified bit by bit, its crate promises the same values over versions, and one key gives 2⁶⁴ streams:
//! the seed is the key and the person's number the stream. What is made of the words is written out here, since
//! the ready-made distributions may change from one version to the next.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub(crate) struct Dice(ChaCha8Rng);

/// What a stream of dice is for: one person's life must not change when another part of it throws once more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Block = 0,
    Identity = 1,
    Records = 2,
    Facts = 3,
}

impl Dice {
    pub(crate) fn new(seed: u64, number: u64, purpose: Purpose) -> Self {
        let mut key = *b"a peninsula of synthetic people.";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(number * 8 + purpose as u64);
        Self(rng)
    }

    /// From 0 to `n` - 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The unevenness of the product's upper half is below n in 2⁶⁴.
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// From `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below((most - least).unsigned_abs() + 1) as i64
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A day from `first` to `last`; `first`, where they are the wrong way round.
    pub(crate) fn day(&mut self, first: Date, last: Date) -> Date {
        let n_days = first.until(last).expect("days between two dates are in range").get_days();
        add_days(first, self.between(0, i64::from(n_days.max(0))))
    }

    /// A time of day when clinics are open, in steps of ten minutes.
    pub(crate) fn clinic_hour(&mut self, day: Date) -> DateTime {
        day.at(self.between(9, 16) as i8, self.between(0, 5) as i8 * 10, 0, 0)
    }

    /// Any time of day outside the hour that the clocks change.
    pub(crate) fn any_hour(&mut self, day: Date) -> DateTime {
        day.at(self.between(3, 23) as i8, self.between(0, 59) as i8, 0, 0)
    }

    /// The order of `items` at random.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

pub(crate) fn add_days(date: Date, days: i64) -> Date {
    date.saturating_add(days.days())
}

/// So much later, but never within the hour that the clocks skip or show twice: systems write it an hour later.
pub(crate) fn add_settled(time: DateTime, minutes: i64) -> DateTime {
    let later = add_minutes(time, minutes);
    if later.hour() == 1 { add_minutes(later, 60) } else { later }
}

pub(crate) fn add_minutes(time: DateTime, minutes: i64) -> DateTime {
    time.saturating_add(minutes.minutes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_are_those_of_the_first_version() {
        let mut dice = Dice::new(1, 7, Purpose::Facts);
        let thrown: Vec<u64> = (0..6).map(|_| dice.below(1000)).collect();
        assert_eq!(thrown, [597, 16, 356, 938, 442, 15]);
    }

    #[test]
    fn people_and_purposes_throw_different_dice() {
        let throw = |seed, number, purpose| Dice::new(seed, number, purpose).below(u64::MAX);
        let first = throw(1, 1, Purpose::Facts);
        assert_ne!(first, throw(2, 1, Purpose::Facts));
        assert_ne!(first, throw(1, 2, Purpose::Facts));
        assert_ne!(first, throw(1, 1, Purpose::Records));
    }
}
